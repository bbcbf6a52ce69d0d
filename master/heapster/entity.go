package heapster

import (
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// Entity names what a question is about. Namespace is set of a namespace, pod and
// container, Pod of the latter two, Container of the last, and Node of a node.
type Entity struct {
	Kind                            Kind
	Namespace, Pod, Container, Node string
}

// holds says that a node's or container's samples are part of it.
func (e Entity) holds(l history.Labels) bool {
	switch e.Kind {
	case Cluster:
		return true
	case Node:
		return l.Node == e.Node
	case Namespace:
		return l.Namespace == e.Namespace
	case Pod:
		return l.Namespace == e.Namespace && l.Pod == e.Pod
	case Container:
		return l.Namespace == e.Namespace && l.Pod == e.Pod && l.Container == e.Container
	}
	return false
}

// first is where the keys of what makes it up begin.
func (e Entity) first(kind state.Kind) state.Key {
	if kind == state.KindNode {
		return state.Key{Kind: kind, Name: e.Node}
	}
	return state.Key{Kind: kind, Namespace: e.Namespace, Name: e.Pod, Sub: e.Container}
}

// of says that a Set is the entity's.
func (e Entity) of(s *Set) bool {
	return s.Kind == e.Kind && s.Namespace == e.Namespace && s.Pod == e.Pod && s.Container == e.Container && (e.Node == "" || s.Node == e.Node)
}

// key is how Heapster called an entity in /debug/allkeys.
func (s *Set) key() string {
	switch s.Kind {
	case Container:
		return "namespace:" + s.Namespace + "/pod:" + s.Pod + "/container:" + s.Container
	case Pod:
		return "namespace:" + s.Namespace + "/pod:" + s.Pod
	case Namespace:
		return "namespace:" + s.Namespace
	case Node:
		return "node:" + s.Node
	}
	return "cluster"
}
