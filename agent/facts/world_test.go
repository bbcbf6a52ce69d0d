package facts_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// name is how a test speaks of an object: by kind, namespace and name.
type name struct{ kind, namespace, name string }

// world is a cluster as a test sees it: what exists, a Tracker that was told of
// every step, and the State that its changes add up to.
type world struct {
	exists  map[name]any
	tracker *facts.Tracker
	state   *state.State
	now     state.Time
}

// noon is the time of a world that nobody has told another one.
var noon = state.TimeOf(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

func newWorld() *world {
	w := &world{exists: map[name]any{}, state: &state.State{}, now: noon}
	w.tracker = facts.NewTracker(func() state.Time { return w.now })
	return w
}

// restart forgets what the Tracker has seen, as an agent does that starts anew.
func (w *world) restart() error {
	all := slices.Collect(maps.Values(w.exists))
	fresh := newWorld()
	fresh.now = w.now
	for _, in := range all {
		if err := fresh.set(in); err != nil {
			return err
		}
	}
	w.tracker, w.state = facts.NewTracker(func() state.Time { return w.now }), &state.State{}
	return w.relist(all)
}

// set tells that an object is there as it is, by its slim input.
func (w *world) set(in any) error {
	w.exists[nameOf(in)] = in
	return w.take(set(w.tracker, in))
}

// remove tells that an object is gone.
func (w *world) remove(n name) error {
	delete(w.exists, n)
	return w.take(remove(w.tracker, n))
}

// relist tells, kind by kind, that these objects are there and no others.
func (w *world) relist(all []any) error {
	w.exists = map[name]any{}
	for _, in := range all {
		w.exists[nameOf(in)] = in
	}
	for _, c := range replaceAll(w.tracker, all) {
		if err := w.take(c); err != nil {
			return err
		}
	}
	return nil
}

// take adds changes up, as a snapshot does: each changed key has a seq.
func (w *world) take(c state.Changes) error {
	d := state.Delta{From: w.state.Seq, To: w.state.Seq, Removes: c.Removes}
	for _, o := range c.Upserts {
		if held, ok := w.state.Get(o.Key()); ok && state.Equal(held.Object, o) {
			return fmt.Errorf("%+v is told anew though it did not change", o.Key())
		}
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: o})
	}
	for _, k := range c.Removes {
		if _, ok := w.state.Get(k); !ok {
			return fmt.Errorf("%+v is removed though it was not there", k)
		}
	}
	next, err := state.Apply(w.state, d)
	if err != nil {
		return err
	}
	w.state = next
	return nil
}

// check compares what the steps added up to with the facts of a Tracker that is
// told of the same objects for the first time, in two orders.
func (w *world) check() error {
	names := sortedNames(w)
	if err := w.checkAgainst(names); err != nil {
		return err
	}
	slices.Reverse(names)
	return w.checkAgainst(names)
}

func (w *world) checkAgainst(order []name) error {
	fresh := newWorld()
	for _, n := range order {
		if err := fresh.set(w.exists[n]); err != nil {
			return fmt.Errorf("from scratch: %w", err)
		}
	}
	return sameFacts(w.state, fresh.state)
}

// sameFacts compares facts, but for since when something has been wrong: that depends on
// what was seen when.
func sameFacts(got, want *state.State) error {
	var err error
	state.EachChange(want, got, func(should, is state.Object) {
		if err == nil && !state.Equal(timeless(should), timeless(is)) {
			err = fmt.Errorf("by events: %s\nfrom scratch: %s", show(is), show(should))
		}
	})
	return err
}

// timeless returns an object in which each time that the Tracker remembers is 1 where
// there is one. A crash loop may have been seen by one Tracker only.
func timeless(o state.Object) state.Object {
	set := func(times ...*state.Time) {
		for _, t := range times {
			*t = min(*t, 1)
		}
	}
	switch o := o.(type) {
	case *state.Node:
		n := *o
		set(&n.NotReadySince)
		n.FlappingSince, n.FlappingUntil = 0, 0
		return &n
	case *state.Pod:
		p := *o
		set(&p.UnschedulableSince, &p.NotReadySince)
		p.FinishedAt = 0
		return &p
	case *state.Container:
		c := *o
		set(&c.NotReadySince)
		c.CrashLoopSince = 0
		return &c
	case *state.Service:
		s := *o
		set(&s.NoPodsSince, &s.NoEndpointsSince, &s.NoAddressSince)
		return &s
	}
	return o
}

func show(o state.Object) string {
	if o == nil {
		return "nothing"
	}
	return fmt.Sprintf("%T %+v", o, reflect.ValueOf(o).Elem())
}

func nameOf(in any) name {
	switch in := in.(type) {
	case *facts.NodeInput:
		return name{"Node", "", in.Name}
	case *facts.PodInput:
		return name{"Pod", in.Namespace, in.Name}
	case *facts.ServiceInput:
		return name{"Service", in.Namespace, in.Name}
	case *facts.SliceInput:
		return name{"EndpointSlice", in.Namespace, in.Name}
	case *facts.ClaimInput:
		return name{"PersistentVolumeClaim", in.Namespace, in.Name}
	case *facts.VolumeInput:
		return name{"PersistentVolume", "", in.Name}
	}
	panic(fmt.Sprintf("no name for a %T", in))
}

func set(t *facts.Tracker, in any) state.Changes {
	switch in := in.(type) {
	case *facts.NodeInput:
		return t.SetNode(in)
	case *facts.PodInput:
		return t.SetPod(in)
	case *facts.ServiceInput:
		return t.SetService(in)
	case *facts.SliceInput:
		return t.SetSlice(in)
	case *facts.ClaimInput:
		return t.SetClaim(in)
	case *facts.VolumeInput:
		return t.SetVolume(in)
	}
	panic(fmt.Sprintf("no way to set a %T", in))
}

func remove(t *facts.Tracker, n name) state.Changes {
	switch n.kind {
	case "Node":
		return t.DeleteNode(n.name)
	case "Pod":
		return t.DeletePod(n.namespace, n.name)
	case "Service":
		return t.DeleteService(n.namespace, n.name)
	case "EndpointSlice":
		return t.DeleteSlice(n.namespace, n.name)
	case "PersistentVolumeClaim":
		return t.DeleteClaim(n.namespace, n.name)
	case "PersistentVolume":
		return t.DeleteVolume(n.name)
	}
	panic("no way to remove a " + n.kind)
}

// replaceAll tells, kind by kind, of what is there, and then that nothing else is.
func replaceAll(t *facts.Tracker, all []any) []state.Changes {
	return []state.Changes{
		t.SetNode(only[facts.NodeInput](all)...), t.RetainNodes(names[facts.NodeInput](all)),
		t.SetPod(only[facts.PodInput](all)...), t.RetainPods(names[facts.PodInput](all)),
		t.SetSlice(only[facts.SliceInput](all)...), t.RetainSlices(names[facts.SliceInput](all)),
		t.SetService(only[facts.ServiceInput](all)...), t.RetainServices(names[facts.ServiceInput](all)),
		t.SetClaim(only[facts.ClaimInput](all)...), t.RetainClaims(names[facts.ClaimInput](all)),
		t.SetVolume(only[facts.VolumeInput](all)...), t.RetainVolumes(names[facts.VolumeInput](all)),
	}
}

func names[T any](all []any) []facts.Name {
	var found []facts.Name
	for _, in := range only[T](all) {
		n := nameOf(in)
		found = append(found, facts.Name{Namespace: n.namespace, Name: n.name})
	}
	return found
}

func only[T any](all []any) []*T {
	var found []*T
	for _, in := range all {
		if in, ok := in.(*T); ok {
			found = append(found, in)
		}
	}
	return found
}
