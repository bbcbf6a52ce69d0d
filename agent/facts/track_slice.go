package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// SetSlice takes in EndpointSlices as they are now.
func (t *Tracker) SetSlice(all ...*SliceInput) state.Changes {
	for _, in := range all {
		t.setSlice(in)
	}
	return t.flush()
}

// DeleteSlice takes in that an EndpointSlice is gone.
func (t *Tracker) DeleteSlice(namespace, name string) state.Changes {
	t.deleteSlice(id{namespace, name})
	return t.flush()
}

// RetainSlices takes in that there are no EndpointSlices but these.
func (t *Tracker) RetainSlices(these []Name) state.Changes {
	retain(these, Name.id, t.slices, t.deleteSlice)
	return t.flush()
}

func (t *Tracker) setSlice(in *SliceInput) {
	name := id{in.Namespace, in.Name}
	before := t.slices[name]
	t.slices[name] = in
	t.moveSlice(before, in)
}

func (t *Tracker) deleteSlice(name id) {
	before := t.slices[name]
	delete(t.slices, name)
	t.moveSlice(before, nil)
}

// moveSlice takes a slice from the Service it was of to the one it is of; nil is
// no slice at all. The targets are made anew of which it says something else now.
func (t *Tracker) moveSlice(before, after *SliceInput) {
	same := sameEndpoints(before, after)
	if s := t.serviceOf(before); s != nil {
		s.slices = slices.DeleteFunc(s.slices, func(other *SliceInput) bool { return other == before })
		t.touchSlice(s, before, same)
	}
	if s := t.serviceOf(after); s != nil {
		s.slices = append(s.slices, after)
		t.touchSlice(s, after, same)
	}
}

// serviceOf is the record of the Service that a slice is of, nil where of none.
func (t *Tracker) serviceOf(slice *SliceInput) *serviceRecord {
	if slice == nil || slice.Service == "" {
		return nil
	}
	return t.service(id{slice.Namespace, slice.Service})
}

// sameEndpoints are the endpoints of which a slice says what it said before.
func sameEndpoints(before, after *SliceInput) map[Endpoint]struct{} {
	if before == nil || after == nil || before.Service != after.Service || !slices.Equal(before.Ports, after.Ports) {
		return nil
	}
	was := make(map[Endpoint]struct{}, len(before.Endpoints))
	for _, e := range before.Endpoints {
		was[e] = struct{}{}
	}
	same := make(map[Endpoint]struct{}, len(after.Endpoints))
	for _, e := range after.Endpoints {
		if _, ok := was[e]; ok {
			same[e] = struct{}{}
		}
	}
	return same
}

// touchSlice has the targets made anew of which a slice speaks, but for some. A
// Service that has no rows has no targets either.
func (t *Tracker) touchSlice(s *serviceRecord, slice *SliceInput, same map[Endpoint]struct{}) {
	t.touchService(s)
	if len(s.exposed) == 0 {
		return
	}
	for i := range slice.Endpoints {
		if _, ok := same[slice.Endpoints[i]]; !ok {
			t.touchEndpoint(s, endpointOf(&slice.Endpoints[i]))
		}
	}
}
