package facts

import "rollcall.dev/rollcall/api/state"

// id names a namespaced object.
type id struct{ namespace, name string }

// Tracker holds what is known of a cluster's objects as far as the joins between
// them need it: pod → node, pod → claims, slice → Service, Service → pods. Each
// call takes in what became of one object, or of all objects of a kind, and returns
// the facts that changed by it; facts that became what they were are not among
// them, and no key is among them twice. All calls together lead to the same facts
// in whatever order they come.
//
// It shares the facts that it returns with whoever takes them, so they must not be
// changed. It is not safe for concurrent use and starts nothing.
type Tracker struct {
	nodes    map[string]*nodeRecord
	pods     map[id]*podRecord
	services map[id]*serviceRecord
	slices   map[id]*SliceInput
	claims   map[id]*claimRecord
	// backends are the Services with targets that a pod is an endpoint of.
	backends map[id][]*serviceRecord

	// Gathered during a call, empty between calls. What several steps of a call
	// touch is made anew once, at its end.
	changes         changes
	touchedNodes    []*nodeRecord
	touchedServices []*serviceRecord
	touchedPods     []*podRecord
}

// NewTracker returns a Tracker that knows of nothing.
func NewTracker() *Tracker {
	return &Tracker{
		nodes:    map[string]*nodeRecord{},
		pods:     map[id]*podRecord{},
		services: map[id]*serviceRecord{},
		slices:   map[id]*SliceInput{},
		claims:   map[id]*claimRecord{},
		backends: map[id][]*serviceRecord{},
	}
}

// flush makes anew what was touched and returns all that changed.
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

// replaceAll sets each of the objects and then deletes those which held has and
// which are not among them. It forgets each object once its facts are made: a list
// may be of many thousands, and as much memory as all facts.
func replaceAll[K comparable, I, R any](objects []*I, key func(*I) K, held map[K]R, set func(*I), remove func(K)) {
	if len(held) == 0 {
		for i, o := range objects {
			objects[i] = nil
			set(o)
		}
		return
	}
	stay := make(map[K]struct{}, len(objects))
	for i, o := range objects {
		objects[i] = nil
		stay[key(o)] = struct{}{}
		set(o)
	}
	for k := range held {
		if _, ok := stay[k]; !ok {
			remove(k)
		}
	}
}
