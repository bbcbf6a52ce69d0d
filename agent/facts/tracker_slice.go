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
	t.deleteSlice(NamespacedName{namespace, name})
	return t.flush()
}

// RetainSlices removes all EndpointSlices of a namespace except the named ones. The namespace "" stands for all.
func (t *Tracker) RetainSlices(namespace string, names []NamespacedName) state.Changes {
	retainInNamespace(namespace, names, t.slices, t.deleteSlice)
	return t.flush()
}

func (t *Tracker) setSlice(in *SliceInput) {
	name := NamespacedName{in.Namespace, in.Name}
	before := t.slices[name]
	t.slices[name] = in
	t.indexSlice(before, in)
}

func (t *Tracker) deleteSlice(name NamespacedName) {
	before := t.slices[name]
	delete(t.slices, name)
	t.indexSlice(before, nil)
}

// indexSlice moves a slice from its previous to its current Service, and marks the targets that changed for
// recomputation. before and after may be nil.
func (t *Tracker) indexSlice(before, after *SliceInput) {
	same := sameEndpoints(before, after)
	if s := t.serviceOf(before); s != nil {
		s.slices = slices.DeleteFunc(s.slices, func(other *SliceInput) bool { return other == before })
		t.markSliceDirty(s, before, same)
	}
	if s := t.serviceOf(after); s != nil {
		s.slices = append(s.slices, after)
		t.markSliceDirty(s, after, same)
	}
}

// serviceOf returns the record of a slice's Service, or nil if it has none.
func (t *Tracker) serviceOf(slice *SliceInput) *serviceRecord {
	if slice == nil || slice.Service == "" {
		return nil
	}
	return t.serviceRecord(NamespacedName{slice.Namespace, slice.Service})
}

// sameEndpoints returns the endpoints that did not change between two versions of a slice.
func sameEndpoints(before, after *SliceInput) map[Endpoint]struct{} {
	if before == nil || after == nil || before.Service != after.Service || !slices.Equal(before.Ports, after.Ports) {
		return nil
	}
	old := make(map[Endpoint]struct{}, len(before.Endpoints))
	for _, e := range before.Endpoints {
		old[e] = struct{}{}
	}
	same := make(map[Endpoint]struct{}, len(after.Endpoints))
	for _, e := range after.Endpoints {
		if _, ok := old[e]; ok {
			same[e] = struct{}{}
		}
	}
	return same
}

// markSliceDirty marks the targets of a slice's endpoints for recomputation, except the endpoints in same. A Service
// without exposed ports has no targets.
func (t *Tracker) markSliceDirty(s *serviceRecord, slice *SliceInput, same map[Endpoint]struct{}) {
	t.markServiceDirty(s)
	if len(s.exposedPorts) == 0 {
		return
	}
	for i := range slice.Endpoints {
		if _, ok := same[slice.Endpoints[i]]; !ok {
			t.markEndpointDirty(s, endpointOf(&slice.Endpoints[i]))
		}
	}
}
