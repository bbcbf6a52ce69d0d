package controllers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"
)

// constantsOf returns the string constants of a type in a file by name, untyped ones if typeName
// is empty.
func constantsOf(t *testing.T, file, typeName string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return true
		}
		literal, isLiteral := spec.Values[0].(*ast.BasicLit)
		named, _ := spec.Type.(*ast.Ident)
		if isLiteral && literal.Kind == token.STRING && (named == nil && typeName == "" || named != nil && named.Name == typeName) {
			found[spec.Names[0].Name], err = strconv.Unquote(literal.Value)
		}
		return true
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("%s has %d constants of type %q (%v)", file, len(found), typeName, err)
	}
	return found
}

func TestSessionReasonsAreConditionReasons(t *testing.T) {
	conditions := constantsOf(t, "../api/v1alpha1/conditions.go", "")
	for name, value := range constantsOf(t, "../api/http/v1/cluster.go", "") {
		if conditions[name] != value {
			t.Errorf("http/v1.%s is %q, v1alpha1.%s is %q", name, value, name, conditions[name])
		}
	}
	for name, value := range constantsOf(t, "../master/session/dial/failure.go", "Reason") {
		if conditions["Reason"+name] != value && name != "Superseded" { // which no condition has, as nothing failed
			t.Errorf("dial.%s is %q, v1alpha1.Reason%s is %q", name, value, name, conditions["Reason"+name])
		}
	}
}

func TestSessionPhasesAreStatusPhases(t *testing.T) {
	phases := constantsOf(t, "../api/v1alpha1/clusteragent_types.go", "SessionPhase")
	seen := constantsOf(t, "../api/http/v1/cluster.go", "Phase")
	for name, value := range seen {
		if phases["Phase"+name] != value {
			t.Errorf("http/v1.%s is %q, v1alpha1.Phase%s is %q", name, value, name, phases["Phase"+name])
		}
	}
	if len(seen) != len(phases) {
		t.Errorf("http/v1 has %d phases, v1alpha1 %d", len(seen), len(phases))
	}
}
