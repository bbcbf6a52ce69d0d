package plugin

import (
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"rollcall.dev/rollcall/api/state"
)

// apiVersion is that of the objects that printers are given. No API server serves them.
const apiVersion = "rollcall.dev/v1"

// kind is what printers have to know of rows.
type kind[T any] struct {
	// kind is of the objects, plural is what a person calls several.
	kind, plural string
	// name tells rows of a namespace apart.
	name      func(*T) string
	namespace func(*T) string
	columns   []column[T]
}

// column is one of a table; those that are wide are shown by -o wide only.
type column[T any] struct {
	name string
	wide bool
	cell func(row *T, now time.Time) string
}

// item is a row and its cluster.
type item[T any] struct {
	cluster string
	row     *T
}

// object is an item as printers for all kinds of objects want it.
func (k *kind[T]) object(i item[T]) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(i.row)
	if err != nil {
		return nil, fmt.Errorf("encode a %s: %w", k.kind, err)
	}
	// Whole numbers stay whole.
	var status map[string]any
	if err := utiljson.Unmarshal(text, &status); err != nil {
		return nil, fmt.Errorf("decode a %s: %w", k.kind, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"cluster": i.cluster, "status": status}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(k.kind)
	o.SetName(k.name(i.row))
	o.SetNamespace(k.namespace(i.row))
	return o, nil
}

// list are items as printers for all kinds of objects want them.
func (k *kind[T]) list(items []item[T]) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{}}}
	list.Items = []unstructured.Unstructured{}
	for _, i := range items {
		o, err := k.object(i)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, *o)
	}
	return list, nil
}

// hidden are columns that tell what everybody knows who asked.
type hidden struct{ cluster, namespace bool }

// table are items as Kubernetes' own tables have them.
func (k *kind[T]) table(items []item[T], without hidden, now time.Time) (*metav1.Table, error) {
	t := &metav1.Table{}
	add := func(name string, wide bool) {
		c := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if wide {
			c.Priority = 1
		}
		t.ColumnDefinitions = append(t.ColumnDefinitions, c)
	}
	if !without.cluster {
		add("Cluster", false)
	}
	for _, c := range k.columns {
		if !without.hides(c.name) {
			add(c.name, c.wide)
		}
	}
	for _, i := range items {
		o, err := k.object(i)
		if err != nil {
			return nil, err
		}
		row := metav1.TableRow{Object: runtime.RawExtension{Object: o}}
		if !without.cluster {
			row.Cells = append(row.Cells, state.CleanLine(i.cluster))
		}
		for _, c := range k.columns {
			if !without.hides(c.name) {
				row.Cells = append(row.Cells, orNone(state.CleanLine(c.cell(i.row, now))))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

func (h hidden) hides(column string) bool { return h.namespace && column == namespaceColumn }

const namespaceColumn = "Namespace"

func orNone(cell string) string {
	if cell == "" {
		return "<none>"
	}
	return cell
}
