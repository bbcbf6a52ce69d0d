package facts

import (
	"iter"
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// serviceRecord holds a Service that exists or that an EndpointSlice names.
type serviceRecord struct {
	name NamespacedName
	// input is the Service as it was last set, or nil if it does not exist. fact is its fact.
	input *ServiceInput
	fact  *state.Service
	// rows are its rows in the port map. exposedPorts are the service ports of these rows.
	rows         []state.Object
	exposedPorts []exposedPort
	slices       []*SliceInput
	// targets has the targets of the exposed ports by endpoint. Those of an endpoint are sorted by key.
	targets map[endpoint][]state.Object

	// The fields below are filled during a call and empty between calls. They say which targets to recompute.
	dirty             bool
	allEndpointsDirty bool
	dirtyEndpoints    map[endpoint]struct{}
}

// SetService adds or updates Services.
func (t *Tracker) SetService(all ...*ServiceInput) state.Changes {
	for _, in := range all {
		t.setService(in)
	}
	return t.flush()
}

// DeleteService removes a Service.
func (t *Tracker) DeleteService(namespace, name string) state.Changes {
	t.deleteService(NamespacedName{namespace, name})
	return t.flush()
}

// RetainServices removes all Services of a namespace except the named ones. The namespace "" stands for all.
func (t *Tracker) RetainServices(namespace string, names []NamespacedName) state.Changes {
	retainInNamespace(namespace, names, t.services, t.deleteService)
	return t.flush()
}

func (t *Tracker) setService(in *ServiceInput) {
	s := t.serviceRecord(NamespacedName{in.Namespace, in.Name})
	if s.input != nil && s.input.UID != in.UID {
		t.setServiceFact(s, nil)
	}
	s.input = in
	t.indexSelector(s, in.Selector != "")
	t.setRows(s, servicePortRows(in))
}

func (t *Tracker) deleteService(name NamespacedName) {
	s := t.services[name]
	if s == nil {
		return
	}
	s.input = nil
	t.indexSelector(s, false)
	t.setRows(s, nil)
}

// indexSelector updates Tracker.selectors for a Service, which selects pods if selects is true.
func (t *Tracker) indexSelector(s *serviceRecord, selects bool) {
	all := t.selectors[s.name.Namespace]
	switch {
	case selects && all == nil:
		t.selectors[s.name.Namespace] = map[*serviceRecord]struct{}{s: {}}
	case selects:
		all[s] = struct{}{}
	default:
		if delete(all, s); len(all) == 0 {
			delete(t.selectors, s.name.Namespace)
		}
	}
}

// markSelectingServicesDirty marks the Services whose selector matches the labels for recomputation.
func (t *Tracker) markSelectingServicesDirty(namespace string, labels LabelSet) {
	for s := range t.selectors[namespace] {
		if labels.Contains(s.input.Selector) {
			t.markServiceDirty(s)
		}
	}
}

// selectsPod reports whether the selector of a Service matches an unfinished pod.
func (t *Tracker) selectsPod(s *serviceRecord) bool {
	for labels := range t.labels[s.name.Namespace] {
		if labels.Contains(s.input.Selector) {
			return true
		}
	}
	return false
}

// recomputeService recomputes the fact of a Service.
func (t *Tracker) recomputeService(s *serviceRecord) {
	if s.input == nil {
		t.setServiceFact(s, nil)
		return
	}
	t.setServiceFact(s, newService(s.input, s.fact, s.input.Selector == "" || t.selectsPod(s), s.hasReadyEndpoint(), t.now()))
}

// setServiceFact replaces the fact of a Service, or removes it if fact is nil.
func (t *Tracker) setServiceFact(s *serviceRecord, fact *state.Service) {
	var old, next []state.Object
	if s.fact != nil {
		old = []state.Object{s.fact}
	}
	if fact != nil {
		next = []state.Object{fact}
	}
	s.fact = nil
	for _, o := range t.changes.replace(old, next) {
		s.fact = o.(*state.Service)
	}
}

// hasReadyEndpoint reports whether an EndpointSlice of the Service has a ready endpoint.
func (s *serviceRecord) hasReadyEndpoint() bool {
	for _, slice := range s.slices {
		for i := range slice.Endpoints {
			if slice.Endpoints[i].Ready {
				return true
			}
		}
	}
	return false
}

// setRows replaces the rows of a Service in the port map.
func (t *Tracker) setRows(s *serviceRecord, rows []*state.Port) {
	s.rows = t.changes.replace(s.rows, appendObjects(nil, rows...))
	if ports := exposedPorts(rows); !slices.Equal(ports, s.exposedPorts) {
		s.exposedPorts = ports
		s.allEndpointsDirty = true
	}
	t.markServiceDirty(s)
}

// serviceRecord returns the record of a Service. It creates the record if there is none.
func (t *Tracker) serviceRecord(name NamespacedName) *serviceRecord {
	s := t.services[name]
	if s == nil {
		s = &serviceRecord{name: name}
		t.services[name] = s
	}
	return s
}

// markServiceDirty marks the fact of a Service for recomputation.
func (t *Tracker) markServiceDirty(s *serviceRecord) {
	if !s.dirty {
		s.dirty = true
		t.dirtyServices = append(t.dirtyServices, s)
	}
}

// markEndpointDirty marks the targets of an endpoint of a Service for recomputation.
func (t *Tracker) markEndpointDirty(s *serviceRecord, e endpoint) {
	if s.dirtyEndpoints == nil {
		s.dirtyEndpoints = map[endpoint]struct{}{}
	}
	s.dirtyEndpoints[e] = struct{}{}
	t.markServiceDirty(s)
}

// recomputeTargets recomputes the fact and the dirty targets of a Service. It deletes the record if the Service does
// not exist and has no slices.
func (t *Tracker) recomputeTargets(s *serviceRecord) {
	t.recomputeService(s)
	next := targets(s.name, s.exposedPorts, s.slices, s.isDirty)
	for e := range next {
		t.setTargets(s, e, next[e])
	}
	if s.allEndpointsDirty {
		t.removeStaleTargets(s, maps.Keys(s.targets), next)
	} else {
		t.removeStaleTargets(s, maps.Keys(s.dirtyEndpoints), next)
	}
	s.dirty, s.allEndpointsDirty, s.dirtyEndpoints = false, false, nil
	if s.input == nil && len(s.slices) == 0 {
		delete(t.services, s.name)
	}
}

// removeStaleTargets removes the targets of those dirty endpoints that have no next targets.
func (t *Tracker) removeStaleTargets(s *serviceRecord, dirty iter.Seq[endpoint], next map[endpoint][]*state.Target) {
	for e := range dirty {
		if next[e] == nil && s.targets[e] != nil {
			t.setTargets(s, e, nil)
		}
	}
}

// isDirty reports whether the targets of an endpoint are marked for recomputation.
func (s *serviceRecord) isDirty(e endpoint) bool {
	if s.allEndpointsDirty {
		return true
	}
	_, ok := s.dirtyEndpoints[e]
	return ok
}

// setTargets replaces the targets of an endpoint.
func (t *Tracker) setTargets(s *serviceRecord, e endpoint, next []*state.Target) {
	pod := NamespacedName{s.name.Namespace, e.name}
	if e.isPod {
		t.setTargetContainers(pod, next)
		t.indexServicesByPod(pod, s, len(s.targets[e]) > 0, len(next) > 0)
	}
	if s.targets == nil {
		s.targets = map[endpoint][]state.Object{}
	}
	s.targets[e] = t.changes.replace(s.targets[e], appendObjects(nil, next...))
	if len(next) == 0 {
		delete(s.targets, e)
	}
}

// setTargetContainers sets the container of each target in a pod.
func (t *Tracker) setTargetContainers(pod NamespacedName, targets []*state.Target) {
	p := t.pods[pod]
	if p == nil {
		return
	}
	for _, target := range targets {
		target.Container = containerOfPort(p.declared, target.Protocol, target.ContainerPort)
	}
}

// indexServicesByPod updates Tracker.servicesByPod for a pod and a Service. had and has report whether the Service had
// targets in the pod before, and has them now.
func (t *Tracker) indexServicesByPod(pod NamespacedName, s *serviceRecord, had, has bool) {
	switch {
	case has && !had:
		t.servicesByPod[pod] = append(t.servicesByPod[pod], s)
	case had && !has:
		rest := slices.DeleteFunc(t.servicesByPod[pod], func(other *serviceRecord) bool { return other == s })
		t.servicesByPod[pod] = rest
		if len(rest) == 0 {
			delete(t.servicesByPod, pod)
		}
	}
}
