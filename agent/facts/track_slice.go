package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// SetSlice adds or updates EndpointSlices.
func (t *Tracker) SetSlice(all ...*SliceInput) state.Changes {
	for _, in := range all {
		t.setSlice(in)
	}
	return t.flush()
}

// DeleteSlice removes an EndpointSlice.
func (t *Tracker) DeleteSlice(namespace, name string) state.Changes {
	t.deleteSlice(id{namespace, name})
	return t.flush()
}

// RetainSlices removes all EndpointSlices but these.
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

// moveSlice moves a slice from its previous to its present Service, and marks the targets that
// changed for recomputation. nil stands for no slice.
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

// serviceOf returns the record of a slice's Service, or nil if it has none.
func (t *Tracker) serviceOf(slice *SliceInput) *serviceRecord {
	if slice == nil || slice.Service == "" {
		return nil
	}
	return t.service(id{slice.Namespace, slice.Service})
}

// sameEndpoints returns the endpoints that did not change between two versions of a slice.
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

// touchSlice marks the targets of a slice's endpoints for recomputation, without those in same.
// A Service without rows has no targets.
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
