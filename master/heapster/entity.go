package heapster

import (
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/series"
)

// systemContainer is the kind of containers outside of pods, of which there is no Set.
const systemContainer = samples.KindCluster + 1

// TypeOf returns the value of Heapster's label `type`.
func TypeOf(k samples.Kind) string {
	return [...]string{"pod_container", "pod", "ns", "node", "cluster", "sys_container"}[k]
}

// Entity names the subject of a query. A namespace has Namespace set, a pod Namespace and
// Pod, a container Namespace, Pod and Container, and a node Node.
type Entity struct {
	Kind                            samples.Kind
	Namespace, Pod, Container, Node string
}

// contains reports whether the samples of a node or container are part of the entity.
func (e Entity) contains(l series.Labels) bool {
	switch e.Kind {
	case samples.KindCluster:
		return true
	case samples.KindNode:
		return l.Node == e.Node
	case samples.KindNamespace:
		return l.Namespace == e.Namespace
	case samples.KindPod:
		return l.Namespace == e.Namespace && l.Pod == e.Pod
	case samples.KindContainer:
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

// matches reports whether s is the Set of the entity.
func (e Entity) matches(s *samples.Set) bool {
	return s.Kind == e.Kind && s.Namespace == e.Namespace && s.Pod == e.Pod && s.Container == e.Container && (e.Node == "" || s.Node == e.Node)
}

// keyOf returns the name of an object in /debug/allkeys.
func keyOf(s *samples.Set) string {
	switch s.Kind {
	case samples.KindContainer:
		return "namespace:" + s.Namespace + "/pod:" + s.Pod + "/container:" + s.Container
	case samples.KindPod:
		return "namespace:" + s.Namespace + "/pod:" + s.Pod
	case samples.KindNamespace:
		return "namespace:" + s.Namespace
	case samples.KindNode:
		return "node:" + s.Node
	}
	return "cluster"
}
