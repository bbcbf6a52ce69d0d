package facts

import "rollcall.dev/rollcall/api/state"

// Name names an object of a kind; a node has no namespace.
type Name struct{ Namespace, Name string }

func (n Name) id() id       { return id{n.Namespace, n.Name} }
func (n Name) node() string { return n.Name }

// id names a namespaced object.
type id struct{ namespace, name string }

// Tracker holds what is known of a cluster's objects as far as the joins between
// them need it: pod → node, pod → claims, slice → Service, Service → pods. Each
// call takes in what became of some objects of a kind, each given once, or which of
// them are left, and returns the facts that changed by it; facts that became what
// they were are not among them, and no key is among them twice. All calls together
// lead to the same facts in whatever order they come.
//
// What no object tells, since when something has been wrong, it remembers by the facts
// that it returned before, so it depends on what was seen when.
//
// The facts that it returns are shared with the caller, so they must not be changed. It
// is not safe for concurrent use and starts nothing.
type Tracker struct {
	nodes    map[string]*nodeRecord
	pods     map[id]*podRecord
	services map[id]*serviceRecord
	slices   map[id]*SliceInput
	claims   map[id]*claimRecord
	volumes  map[string]state.Object
	// labels counts the unfinished pods of each namespace by their labels, selectors
	// holds the Services of a namespace that select pods.
	labels    map[string]map[LabelSet]int
	selectors map[string]map[*serviceRecord]struct{}
	// now returns the present time, for what the API gives no time of.
	now func() state.Time
	// backends are the Services with targets that a pod is an endpoint of.
	backends map[id][]*serviceRecord
	// declared is what the pod that was set last declares.
	declared []declaration

	// Gathered during a call, empty between calls. What several steps of a call
	// touch is made anew once, at its end.
	changes         changes
	touchedNodes    []*nodeRecord
	touchedServices []*serviceRecord
	touchedPods     []*podRecord
}

// NewTracker returns a Tracker without any object. now returns the present time.
func NewTracker(now func() state.Time) *Tracker {
	return &Tracker{
		now:       now,
		volumes:   map[string]state.Object{},
		labels:    map[string]map[LabelSet]int{},
		selectors: map[string]map[*serviceRecord]struct{}{},
		nodes:     map[string]*nodeRecord{},
		pods:      map[id]*podRecord{},
		services:  map[id]*serviceRecord{},
		slices:    map[id]*SliceInput{},
		claims:    map[id]*claimRecord{},
		backends:  map[id][]*serviceRecord{},
	}
}

// flush recomputes everything that was marked and returns the changes.
func (t *Tracker) flush() state.Changes {
	for _, p := range t.touchedPods {
		t.remount(p)
	}
	for _, n := range t.touchedNodes {
		t.publishLoad(n)
	}
	for _, s := range t.touchedServices {
		t.retarget(s)
	}
	t.touchedPods, t.touchedNodes, t.touchedServices = t.touchedPods[:0], t.touchedNodes[:0], t.touchedServices[:0]
	gathered := t.changes
	t.changes = changes{}
	return state.Changes(gathered)
}

// retain deletes what held has and these do not name.
func retain[K comparable, R any](these []Name, key func(Name) K, held map[K]R, remove func(K)) {
	stay := make(map[K]struct{}, len(these))
	for _, name := range these {
		stay[key(name)] = struct{}{}
	}
	for k := range held {
		if _, ok := stay[k]; !ok {
			remove(k)
		}
	}
}
