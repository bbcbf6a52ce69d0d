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

// objectName identifies an object in a test.
type objectName struct{ kind, namespace, name string }

// harness holds the objects of a cluster, a Tracker that processed every step, and the State that results from its
// changes.
type harness struct {
	objects map[objectName]any // inputs
	tracker *facts.Tracker
	state   *state.State
	now     state.Time
}

// noon is the initial time of a harness.
var noon = state.TimeOf(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC))

func newHarness() *harness {
	h := &harness{objects: map[objectName]any{}, state: &state.State{}, now: noon}
	h.tracker = facts.NewTracker(func() state.Time { return h.now })
	return h
}

// restart replaces the Tracker by a new one that lists the objects, like an agent that restarts.
func (h *harness) restart() error {
	all := slices.Collect(maps.Values(h.objects))
	fresh := newHarness()
	fresh.now = h.now
	for _, in := range all {
		if err := fresh.set(in); err != nil {
			return err
		}
	}
	h.tracker, h.state = facts.NewTracker(func() state.Time { return h.now }), &state.State{}
	return h.relist(all)
}

// set adds or updates an object, given its input.
func (h *harness) set(in any) error {
	h.objects[objectNameOf(in)] = in
	return h.apply(set(h.tracker, in))
}

// remove removes an object.
func (h *harness) remove(n objectName) error {
	delete(h.objects, n)
	return h.apply(remove(h.tracker, n))
}

// relist replaces all objects.
func (h *harness) relist(all []any) error {
	h.objects = map[objectName]any{}
	for _, in := range all {
		h.objects[objectNameOf(in)] = in
	}
	for _, c := range relist(h.tracker, all) {
		if err := h.apply(c); err != nil {
			return err
		}
	}
	return nil
}

// apply applies changes to the State. It returns an error for a change that has no effect.
func (h *harness) apply(c state.Changes) error {
	d := state.Delta{From: h.state.Seq, To: h.state.Seq, Removes: c.Removes}
	for _, o := range c.Upserts {
		if current, ok := h.state.Get(o.Key()); ok && state.Equal(current.Object, o) {
			return fmt.Errorf("got an upsert of %+v, which did not change", o.Key())
		}
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: o})
	}
	for _, k := range c.Removes {
		if _, ok := h.state.Get(k); !ok {
			return fmt.Errorf("got a removal of %+v, which does not exist", k)
		}
	}
	next, err := state.Apply(h.state, d)
	if err != nil {
		return err
	}
	h.state = next
	return nil
}

// check compares the State with the facts of a new Tracker that gets the same objects in two orders.
func (h *harness) check() error {
	names := sortedNames(h)
	if err := h.checkOrder(names); err != nil {
		return err
	}
	slices.Reverse(names)
	return h.checkOrder(names)
}

// checkOrder compares the State with the facts of a new Tracker that gets the objects in an order.
func (h *harness) checkOrder(order []objectName) error {
	fresh := newHarness()
	for _, n := range order {
		if err := fresh.set(h.objects[n]); err != nil {
			return fmt.Errorf("compute the facts from scratch: %w", err)
		}
	}
	return compareFacts(h.state, fresh.state)
}

// compareFacts returns an error if two States differ in more than the times that withoutTimes removes.
func compareFacts(got, want *state.State) error {
	var err error
	state.EachChange(want, got, func(want, got state.Object) {
		if err == nil && !state.Equal(withoutTimes(want), withoutTimes(got)) {
			err = fmt.Errorf("got %s by events, want %s as from scratch", format(got), format(want))
		}
	})
	return err
}

// withoutTimes returns a copy of an object in which the times that depend on when something was seen are 0 or 1.
// Times of crash loops and flapping are 0, because only one of two Trackers may have seen them.
func withoutTimes(o state.Object) state.Object {
	normalize := func(times ...*state.Time) {
		for _, t := range times {
			*t = min(*t, 1)
		}
	}
	switch o := o.(type) {
	case *state.Node:
		n := *o
		normalize(&n.NotReadySince)
		n.FlappingSince, n.FlappingUntil = 0, 0
		return &n
	case *state.Pod:
		p := *o
		normalize(&p.UnschedulableSince, &p.NotReadySince)
		p.FinishedAt = 0
		return &p
	case *state.Container:
		c := *o
		normalize(&c.NotReadySince)
		c.CrashLoopSince = 0
		return &c
	case *state.Service:
		s := *o
		normalize(&s.NoPodsSince, &s.NoEndpointsSince, &s.NoAddressSince)
		return &s
	}
	return o
}

// format formats an object, which may be nil.
func format(o state.Object) string {
	if o == nil {
		return "nothing"
	}
	return fmt.Sprintf("%T %+v", o, reflect.ValueOf(o).Elem())
}

// objectNameOf returns the name of an input.
func objectNameOf(in any) objectName {
	switch in := in.(type) {
	case *facts.NodeInput:
		return objectName{"Node", "", in.Name}
	case *facts.PodInput:
		return objectName{"Pod", in.Namespace, in.Name}
	case *facts.ServiceInput:
		return objectName{"Service", in.Namespace, in.Name}
	case *facts.SliceInput:
		return objectName{"EndpointSlice", in.Namespace, in.Name}
	case *facts.ClaimInput:
		return objectName{"PersistentVolumeClaim", in.Namespace, in.Name}
	case *facts.VolumeInput:
		return objectName{"PersistentVolume", "", in.Name}
	}
	panic(fmt.Sprintf("unexpected input %T", in))
}

// set calls the Tracker's method that adds or updates an input.
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
	panic(fmt.Sprintf("unexpected input %T", in))
}

// remove calls the Tracker's method that removes an object.
func remove(t *facts.Tracker, n objectName) state.Changes {
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
	panic("unexpected kind " + n.kind)
}

// relist sets all inputs and removes all other objects, kind by kind.
func relist(t *facts.Tracker, all []any) []state.Changes {
	return []state.Changes{
		t.SetNode(ofType[facts.NodeInput](all)...), t.RetainNodes(namesOfType[facts.NodeInput](all)),
		t.SetPod(ofType[facts.PodInput](all)...), t.RetainPods("", namesOfType[facts.PodInput](all)),
		t.SetSlice(ofType[facts.SliceInput](all)...), t.RetainSlices("", namesOfType[facts.SliceInput](all)),
		t.SetService(ofType[facts.ServiceInput](all)...), t.RetainServices("", namesOfType[facts.ServiceInput](all)),
		t.SetClaim(ofType[facts.ClaimInput](all)...), t.RetainClaims("", namesOfType[facts.ClaimInput](all)),
		t.SetVolume(ofType[facts.VolumeInput](all)...), t.RetainVolumes(namesOfType[facts.VolumeInput](all)),
	}
}

// namesOfType returns the names of the inputs of a type.
func namesOfType[T any](all []any) []facts.NamespacedName {
	var found []facts.NamespacedName
	for _, in := range ofType[T](all) {
		n := objectNameOf(in)
		found = append(found, facts.NamespacedName{Namespace: n.namespace, Name: n.name})
	}
	return found
}

// ofType returns the inputs of a type.
func ofType[T any](all []any) []*T {
	var found []*T
	for _, in := range all {
		if in, ok := in.(*T); ok {
			found = append(found, in)
		}
	}
	return found
}
