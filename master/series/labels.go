package series

import (
	"cmp"

	"rollcall.dev/rollcall/api/state"
)

// Labels identify the object of a series among those of its kind. A node has only Node set.
type Labels struct{ Namespace, Pod, Container, Node string }

// Object is a node (state.KindNode) or a container (state.KindContainer).
type Object struct {
	Kind state.Kind
	Labels
}

// ObjectOf returns the Object of a node or container, and a zero one for others.
func ObjectOf(o state.Object) Object {
	switch o := o.(type) {
	case *state.Node:
		return Object{state.KindNode, Labels{Node: o.Name}}
	case *state.Container:
		return Object{state.KindContainer, Labels{Namespace: o.Namespace, Pod: o.Pod, Container: o.Name, Node: o.Node}}
	}
	return Object{}
}

// compareKey compares in the key order of the entries of a State. Two containers that differ only in their node compare
// as equal.
func (o Object) compareKey(p Object) int {
	if o.Kind != p.Kind {
		return cmp.Compare(o.Kind, p.Kind)
	}
	if o.Kind == state.KindNode {
		return cmp.Compare(o.Node, p.Node)
	}
	return cmp.Or(cmp.Compare(o.Namespace, p.Namespace), cmp.Compare(o.Pod, p.Pod), cmp.Compare(o.Container, p.Container))
}
