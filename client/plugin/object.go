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

// apiVersion is the apiVersion of the printed objects. No API server serves them.
const apiVersion = "rollcall.dev/v1"

// kind describes a type of row for printers.
type kind[T any] struct {
	// kind is the kind of the objects; plural is used in messages.
	kind, plural string
	// name returns a name that is unique within a namespace.
	name      func(*T) string
	namespace func(*T) string
	columns   []column[T]
}

// column is a column of a table. Wide columns are printed with -o wide only.
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

// object returns an item as an unstructured object.
func (k *kind[T]) object(i item[T]) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(i.row)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", k.kind, err)
	}
	// utiljson decodes integers as int64.
	var status map[string]any
	if err := utiljson.Unmarshal(text, &status); err != nil {
		return nil, fmt.Errorf("decode %s: %w", k.kind, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"cluster": i.cluster, "status": status}}
	o.SetAPIVersion(apiVersion)
	o.SetKind(k.kind)
	o.SetName(k.name(i.row))
	o.SetNamespace(k.namespace(i.row))
	return o, nil
}

// list returns items as an unstructured list.
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

// hiddenColumns are columns with the same value in all rows.
type hiddenColumns struct{ cluster, namespace bool }

// table returns items as a metav1.Table.
func (k *kind[T]) table(items []item[T], hidden hiddenColumns, now time.Time) (*metav1.Table, error) {
	t := &metav1.Table{}
	add := func(name string, wide bool) {
		c := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if wide {
			c.Priority = 1
		}
		t.ColumnDefinitions = append(t.ColumnDefinitions, c)
	}
	if !hidden.cluster {
		add("Cluster", false)
	}
	for _, c := range k.columns {
		if !hidden.hides(c.name) {
			add(c.name, c.wide)
		}
	}
	for _, i := range items {
		o, err := k.object(i)
		if err != nil {
			return nil, err
		}
		row := metav1.TableRow{Object: runtime.RawExtension{Object: o}}
		if !hidden.cluster {
			row.Cells = append(row.Cells, state.CleanLine(i.cluster))
		}
		for _, c := range k.columns {
			if !hidden.hides(c.name) {
				row.Cells = append(row.Cells, orNone(state.CleanLine(c.cell(i.row, now))))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

func (h hiddenColumns) hides(column string) bool { return h.namespace && column == namespaceColumn }

const namespaceColumn = "Namespace"

func orNone(cell string) string {
	if cell == "" {
		return "<none>"
	}
	return cell
}
