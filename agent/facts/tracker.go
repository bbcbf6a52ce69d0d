package facts

import "rollcall.dev/rollcall/api/state"

// NamespacedName is the namespace and name of an object of a known kind. Nodes and PersistentVolumes have no namespace.
type NamespacedName struct{ Namespace, Name string }

// Tracker holds what is known about the objects of a cluster, as far as the joins between them need it:
// pod → node, pod → claims, slice → Service, Service → pods. The methods of a kind are:
//
//   - Set adds or updates objects; each object may be given once per call
//   - Delete removes an object
//   - Retain removes all objects except the given ones
//
// Each call returns the facts that it changed, each key at most once. Facts that are recomputed with an equal result
// are not returned. The facts do not depend on the order of the calls, except for the times since when something has
// been wrong. The API does not have these, so the Tracker keeps them from the facts that it returned before.
//
// The caller must not modify returned facts. A Tracker is not safe for concurrent use.
type Tracker struct {
	nodes    map[string]*nodeRecord
	pods     map[NamespacedName]*podRecord
	services map[NamespacedName]*serviceRecord
	slices   map[NamespacedName]*SliceInput
	claims   map[NamespacedName]*claimRecord
	volumes  map[string]state.Object
	// labels counts the unfinished pods of each namespace by their labels.
	labels map[string]map[LabelSet]int
	// selectors holds the Services of each namespace that select pods.
	selectors map[string]map[*serviceRecord]struct{}
	// servicesByPod maps pods to the Services that have targets in them.
	servicesByPod map[NamespacedName][]*serviceRecord
	// lastDeclared is the declared ports of the pod that was set last.
	lastDeclared []declaredPort
	// now returns the current time.
	now func() state.Time

	// The fields below are filled during a call and empty between calls. Records that several steps of a call mark as
	// dirty are recomputed once, by flush.
	changes       changes
	dirtyNodes    []*nodeRecord
	dirtyServices []*serviceRecord
	dirtyPods     []*podRecord
}

// NewTracker returns an empty Tracker. now returns the current time.
func NewTracker(now func() state.Time) *Tracker {
	return &Tracker{
		now:           now,
		volumes:       map[string]state.Object{},
		labels:        map[string]map[LabelSet]int{},
		selectors:     map[string]map[*serviceRecord]struct{}{},
		nodes:         map[string]*nodeRecord{},
		pods:          map[NamespacedName]*podRecord{},
		services:      map[NamespacedName]*serviceRecord{},
		slices:        map[NamespacedName]*SliceInput{},
		claims:        map[NamespacedName]*claimRecord{},
		servicesByPod: map[NamespacedName][]*serviceRecord{},
	}
}

// flush recomputes all dirty records and returns the changes of the call.
func (t *Tracker) flush() state.Changes {
	for _, p := range t.dirtyPods {
		t.recomputeCapacities(p)
	}
	for _, n := range t.dirtyNodes {
		t.recomputeLoad(n)
	}
	for _, s := range t.dirtyServices {
		t.recomputeTargets(s)
	}
	t.dirtyPods, t.dirtyNodes, t.dirtyServices = t.dirtyPods[:0], t.dirtyNodes[:0], t.dirtyServices[:0]
	all := t.changes
	t.changes = changes{}
	return state.Changes(all)
}

// retain calls remove for each key of records that is not one of the names.
func retain[R any](names []NamespacedName, records map[string]R, remove func(string)) {
	keep := make(map[string]struct{}, len(names))
	for _, name := range names {
		keep[name.Name] = struct{}{}
	}
	for k := range records {
		if _, ok := keep[k]; !ok {
			remove(k)
		}
	}
}

// retainInNamespace calls remove for each key of records that is in the namespace, or in any if it is "", and is not one
// of the names.
func retainInNamespace[R any](namespace string, names []NamespacedName, records map[NamespacedName]R, remove func(NamespacedName)) {
	keep := make(map[NamespacedName]struct{}, len(names))
	for _, name := range names {
		keep[name] = struct{}{}
	}
	for k := range records {
		if _, ok := keep[k]; !ok && (namespace == "" || namespace == k.Namespace) {
			remove(k)
		}
	}
}
