package join

import (
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// writeObjects writes objects as YAML documents, each with a comment that says which cluster it is for.
func writeObjects(w io.Writer, where string, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			return fmt.Errorf("encode the %s: %w", describe(object), err)
		}
		if _, err := fmt.Fprintf(w, "# for the %s\n%s---\n", where, text); err != nil {
			return fmt.Errorf("write the objects: %w", err)
		}
	}
	return nil
}
