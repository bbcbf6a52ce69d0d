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

// label says what a series is of. It holds no State's strings.
type label struct {
	// id numbers the series; text is where its pod's and its container's name begin in
	// the text of the past, behind each other.
	id, text             uint32
	podLen, containerLen uint16
	kind                 state.Kind
	// namespace is empty for a node; node is the node, or where the container runs.
	namespace, node unique.Handle[string]
}

const labelSize = int64(unsafe.Sizeof(label{}))

// identity is what a label is made of, borrowed from a State.
type identity struct {
	kind                            state.Kind
	namespace, pod, container, node string
}

// identify is the identity of a node or container.
func identify(o state.Object) identity {
	switch o := o.(type) {
	case *state.Node:
		return identity{kind: state.KindNode, node: o.Name}
	case *state.Container:
		return identity{kind: state.KindContainer, namespace: o.Namespace, pod: o.Pod, container: o.Name, node: o.Node}
	}
	return identity{}
}

// identity is what a label says.
func (p *past) identity(l *label) identity {
	names := p.text[l.text:]
	pod, names := names[:l.podLen], names[l.podLen:]
	return identity{kind: l.kind, namespace: l.namespace.Value(), pod: pod, container: names[:l.containerLen], node: l.node.Value()}
}

// fits says that a label can be made of it; Kubernetes' own names are far shorter.
func (i identity) fits() bool { return max(len(i.pod), len(i.container)) <= math.MaxUint16 }

// label is a label whose names are appended to text.
func (i identity) label(id uint32, text *strings.Builder) label {
	l := label{
		id: id, text: uint32(text.Len()), podLen: uint16(len(i.pod)), containerLen: uint16(len(i.container)), kind: i.kind,
		namespace: unique.Make(i.namespace), node: unique.Make(i.node),
	}
	text.WriteString(i.pod)
	text.WriteString(i.container)
	return l
}

// relabel makes the text and the labels anew: of the labels that are kept, and of more.
func (d *draft) relabel(keep func(id uint32) bool, more []identity, id uint32) {
	var text strings.Builder
	text.Grow(len(d.text) + 32*len(more))
	labels := make([]label, 0, len(d.labels)+len(more))
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
	for i, of := range more {
		labels = append(labels, of.label(id+uint32(i), &text))
	}
	d.labels, d.text, d.changed = slices.Clone(labels), strings.Clone(text.String()), true
}

// compareKey is the order of a State's entries: of two containers that differ in nothing
// but their node it says that they are the same.
func (i identity) compareKey(o identity) int {
	if i.kind != o.kind {
		return cmp.Compare(i.kind, o.kind)
	}
	if i.kind == state.KindNode {
		return cmp.Compare(i.node, o.node)
	}
	return cmp.Or(cmp.Compare(i.namespace, o.namespace), cmp.Compare(i.pod, o.pod), cmp.Compare(i.container, o.container))
}
