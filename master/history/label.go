package history

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unique"
	"unsafe"

	"rollcall.dev/rollcall/api/state"
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

// identity is the content of a label, with strings of a State.
type identity struct {
	kind                            state.Kind
	namespace, pod, container, node string
}

// identityOf returns the identity of a node or container.
func identityOf(o state.Object) identity {
	switch o := o.(type) {
	case *state.Node:
		return identity{kind: state.KindNode, node: o.Name}
	case *state.Container:
		return identity{kind: state.KindContainer, namespace: o.Namespace, pod: o.Pod, container: o.Name, node: o.Node}
	}
	return identity{}
}

// identity returns the content of a label.
func (d *clusterData) identity(l *label) identity {
	names := d.text[l.text:]
	pod, names := names[:l.podLen], names[l.podLen:]
	return identity{kind: l.kind, namespace: l.namespace.Value(), pod: pod, container: names[:l.containerLen], node: l.node.Value()}
}

// fits reports whether a label can hold the names. Those of Kubernetes are far shorter.
func (i identity) fits() bool { return max(len(i.pod), len(i.container)) <= math.MaxUint16 }

// label returns a label, and appends its names to text.
func (i identity) label(id uint32, text *strings.Builder) label {
	l := label{
		id: id, text: uint32(text.Len()), podLen: uint16(len(i.pod)), containerLen: uint16(len(i.container)), kind: i.kind,
		namespace: unique.Make(i.namespace), node: unique.Make(i.node),
	}
	text.WriteString(i.pod)
	text.WriteString(i.container)
	return l
}

// rebuildLabels rebuilds text and labels from the labels to keep and from new ones, whose ids
// count up from id.
func (d *draft) rebuildLabels(keep func(id uint32) bool, added []identity, id uint32) {
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
		labels = append(labels, of.label(id+uint32(i), &text))
	}
	d.labels, d.text, d.changed = slices.Clone(labels), strings.Clone(text.String()), true
}

// compareKey compares in the key order of a State's entries. Two containers that differ
// only in their node compare as equal.
func (i identity) compareKey(o identity) int {
	if i.kind != o.kind {
		return cmp.Compare(i.kind, o.kind)
	}
	if i.kind == state.KindNode {
		return cmp.Compare(i.node, o.node)
	}
	return cmp.Or(cmp.Compare(i.namespace, o.namespace), cmp.Compare(i.pod, o.pod), cmp.Compare(i.container, o.container))
}
