package v1alpha1_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

var crdFiles = map[string]string{
	"ClusterAgent":  "../../config/crd/bases/rollcall.dev_clusteragents.yaml",
	"ClusterStatus": "../../config/crd/bases/rollcall.dev_clusterstatuses.yaml",
}

// field is one field of a CRD's schema. [0] and .example stand for any list item and any map key.
type field struct {
	path   string
	schema apiextensionsv1.JSONSchemaProps
}

// fieldsOf returns a top-level field of a kind and all fields below it.
func fieldsOf(t *testing.T, kind, top string) []field {
	t.Helper()
	content, err := os.ReadFile(crdFiles[kind])
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(content, &crd); err != nil {
		t.Fatal(err)
	}
	return below(field{top, crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties[top]})
}

func below(f field) []field {
	fields := []field{f}
	for _, name := range slices.Sorted(maps.Keys(f.schema.Properties)) {
		fields = append(fields, below(field{f.path + "." + name, f.schema.Properties[name]})...)
	}
	if f.schema.Items != nil {
		fields = append(fields, below(field{f.path + "[0]", *f.schema.Items.Schema})...)
	}
	if f.schema.AdditionalProperties != nil {
		fields = append(fields, below(field{f.path + ".example", *f.schema.AdditionalProperties.Schema})...)
	}
	return fields
}

// tooMuch returns values just above the limit of a field, none for a field without a limit.
func (f field) tooMuch() []any {
	switch s := f.schema; {
	case len(s.Enum) > 0:
		return []any{"Other", 1}
	case s.Format == "date-time":
		// All but the first two match OpenAPI's format and do not parse as a Go time.
		return []any{"yesterday", 1, "2026-11-22t10:00:00z", "2026-11-22T10:00:00x5Z", "2026-11-22T10:00:00+99:99"}
	case s.Type == "string" && s.MaxLength != nil:
		return []any{strings.Repeat("a", int(*s.MaxLength)+1), 1}
	case s.Type == "integer" && s.Format == "int64":
		return []any{1e19, 0.5, "1"}
	case s.Type == "boolean":
		return []any{"yes"}
	case s.Type == "array" && s.MaxItems != nil:
		return []any{make([]any, *s.MaxItems+1), "a"}
	case s.AdditionalProperties != nil && s.MaxProperties != nil:
		many := map[string]any{}
		for i := range *s.MaxProperties + 1 {
			many[fmt.Sprint(i)] = i
		}
		return []any{many}
	case len(s.Properties) > 0:
		return []any{"a"}
	}
	return nil
}

func TestEveryFieldHasALimit(t *testing.T) {
	for kind, tops := range map[string][]string{"ClusterAgent": {"spec", "status"}, "ClusterStatus": {"status"}} {
		for _, top := range tops {
			for _, f := range fieldsOf(t, kind, top) {
				if f.tooMuch() == nil {
					t.Errorf("%s %s (%s) has no bound", kind, f.path, f.schema.Type)
				}
			}
		}
	}
}

func TestSpecFieldsHaveDescriptions(t *testing.T) {
	for _, f := range fieldsOf(t, "ClusterAgent", "spec") {
		if f.schema.Description == "" && !strings.HasSuffix(f.path, "[0]") {
			t.Errorf("kubectl explain says nothing of %s", f.path)
		}
	}
}
