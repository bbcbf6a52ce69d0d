package heapster

import (
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/series"
)

// Entity names the subject of a query. A namespace has Namespace set, a pod Namespace and
// Pod, a container Namespace, Pod and Container, and a node Node.
type Entity struct {
	Kind                            Kind
	Namespace, Pod, Container, Node string
}

// contains reports whether the samples of a node or container are part of the entity.
func (e Entity) contains(l series.Labels) bool {
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

// firstKey returns the first key of the objects that make up the entity.
func (e Entity) firstKey(kind state.Kind) state.Key {
	if kind == state.KindNode {
		return state.Key{Kind: kind, Name: e.Node}
	}
	return state.Key{Kind: kind, Namespace: e.Namespace, Name: e.Pod, Sub: e.Container}
}

// matches reports whether s is the MetricSet of the entity.
func (e Entity) matches(s *MetricSet) bool {
	return s.Kind == e.Kind && s.Namespace == e.Namespace && s.Pod == e.Pod && s.Container == e.Container && (e.Node == "" || s.Node == e.Node)
}

// key returns the name of an entity in /debug/allkeys.
func (s *MetricSet) key() string {
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
