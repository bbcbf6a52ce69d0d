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
		if _, err := fmt.Fprintf(w, "---\n# for the %s\n", where); err != nil {
			return fmt.Errorf("write the objects: %w", err)
		}
		if err := writeObject(w, object); err != nil {
			return err
		}
	}
	return nil
}

// writeObject writes an object as YAML. The content of Secrets is left out.
func writeObject(w io.Writer, object *unstructured.Unstructured) error {
	if object.GetKind() == "Secret" {
		object = object.DeepCopy()
		unstructured.RemoveNestedField(object.Object, "data")
		unstructured.RemoveNestedField(object.Object, "stringData")
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		return fmt.Errorf("encode the %s: %w", describe(object), err)
	}
	if _, err := w.Write(text); err != nil {
		return fmt.Errorf("write the objects: %w", err)
	}
	return nil
}
