package history

import (
	"math"
	"slices"
	"strings"
	"unique"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/series"
)

// label names the object of a series. It does not refer to strings of a State.
type label struct {
	// id identifies the series. text is the offset of the pod's name in clusterData.text; the
	// container's name follows it.
	id, text             uint32
	podLen, containerLen uint16
	kind                 state.Kind
	// namespace is empty for a node. node is the node itself, or that of the container.
	namespace, node unique.Handle[string]
}

const labelSize = int64(unsafe.Sizeof(label{}))

// object returns the object of a label. Its strings belong to the clusterData.
func (d *clusterData) object(l *label) series.Object {
	names := d.text[l.text:]
	pod, names := names[:l.podLen], names[l.podLen:]
	return series.Object{Kind: l.kind, Labels: series.Labels{Namespace: l.namespace.Value(), Pod: pod, Container: names[:l.containerLen], Node: l.node.Value()}}
}

// fits reports whether a label can hold the names of an object. Those of Kubernetes are far shorter.
func fits(o series.Object) bool { return max(len(o.Pod), len(o.Container)) <= math.MaxUint16 }

// newLabel returns the label of an object, and appends its names to text.
func newLabel(o series.Object, id uint32, text *strings.Builder) label {
	l := label{
		id: id, text: uint32(text.Len()), podLen: uint16(len(o.Pod)), containerLen: uint16(len(o.Container)), kind: o.Kind,
		namespace: unique.Make(o.Namespace), node: unique.Make(o.Node),
	}
	text.WriteString(o.Pod)
	text.WriteString(o.Container)
	return l
}

// rebuildLabels rebuilds text and labels from the labels to keep and from new ones, whose ids
// count up from id.
func (d *draft) rebuildLabels(keep func(id uint32) bool, added []series.Object, id uint32) {
	var text strings.Builder
	text.Grow(len(d.text) + 32*len(added))
	labels := make([]label, 0, len(d.labels)+len(added))
	for i := range d.labels {
		l := d.labels[i]
		if !keep(l.id) {
			continue
		}
		start := l.text
		l.text = uint32(text.Len())
		text.WriteString(d.text[start:][:int(l.podLen)+int(l.containerLen)])
		labels = append(labels, l)
	}
	for i, of := range added {
		labels = append(labels, newLabel(of, id+uint32(i), &text))
	}
	d.labels, d.text, d.changed = slices.Clone(labels), strings.Clone(text.String()), true
}
