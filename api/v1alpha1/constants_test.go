package v1alpha1_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// constant is one string constant of the package.
type constant struct {
	name, typeName, value, doc string
}

func constants(t *testing.T) []constant {
	t.Helper()
	var found []constant
	for _, file := range []string{"conditions.go", "clusteragent_types.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			if group, ok := declaration.(*ast.GenDecl); ok && group.Tok == token.CONST {
				found = append(found, constantsOf(t, group)...)
			}
		}
	}
	return found
}

func constantsOf(t *testing.T, group *ast.GenDecl) []constant {
	t.Helper()
	var found []constant
	for _, spec := range group.Specs {
		spec := spec.(*ast.ValueSpec)
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		c := constant{name: spec.Names[0].Name, value: value, doc: spec.Doc.Text()}
		if named, ok := spec.Type.(*ast.Ident); ok {
			c.typeName = named.Name
		}
		found = append(found, c)
	}
	return found
}

func TestConstantsAreDocumented(t *testing.T) {
	values := map[string]string{}
	for _, c := range constants(t) {
		if !strings.HasPrefix(c.doc, c.name+" ") && !strings.HasPrefix(c.doc, c.name+":") {
			t.Errorf("%s has no doc comment", c.name)
		}
		if other, ok := values[c.typeName+c.value]; ok {
			t.Errorf("%s and %s are both %q", c.name, other, c.value)
		}
		values[c.typeName+c.value] = c.name
	}
}

func TestReasonNamesMatchValues(t *testing.T) {
	for _, c := range constants(t) {
		if c.typeName == "" && c.name != "Reason"+c.value && c.name != "Condition"+c.value {
			t.Errorf("%s is %q", c.name, c.value)
		}
	}
}

func TestEnumsAcceptTheirConstants(t *testing.T) {
	for path, typeName := range map[string]string{"spec.reporting.mode": "ReportingMode", "status.session.phase": "SessionPhase"} {
		top, _, _ := strings.Cut(path, ".")
		fields := fieldsOf(t, "ClusterAgent", top)
		enum := fields[slices.IndexFunc(fields, func(f field) bool { return f.path == path })].schema.Enum
		var want []string
		for _, c := range constants(t) {
			if c.typeName == typeName {
				want = append(want, strconv.Quote(c.value))
			}
		}
		if got := texts(enum); len(want) == 0 || !slices.Equal(got, want) {
			t.Errorf("%s: the schema takes %v, the constants are %v", path, got, want)
		}
	}
}

func texts(enum []apiextensionsv1.JSON) []string {
	var all []string
	for _, value := range enum {
		all = append(all, string(value.Raw))
	}
	return all
}

func TestSchemeHasEveryType(t *testing.T) {
	scheme := newScheme(t)
	for _, kind := range []string{"ClusterAgent", "ClusterAgentList", "ClusterStatus", "ClusterStatusList"} {
		if !scheme.Recognizes(v1alpha1.GroupVersion.WithKind(kind)) {
			t.Errorf("%s is not registered", kind)
		}
	}
}
