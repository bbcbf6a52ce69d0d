package facts

import (
	"iter"
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// serviceRecord is a Service that is there, or that slices name.
type serviceRecord struct {
	name id
	// in is the Service as it was last seen, nil while it is not there; fact is what
	// follows from it.
	in   *ServiceInput
	fact *state.Service
	// rows are its rows in the port map, exposed the service ports they belong to.
	rows    []state.Object
	exposed []exposure
	slices  []*SliceInput
	// targets are where the exposed ports lead, by endpoint, in key order.
	targets map[endpoint][]state.Object

	// Gathered during a call: which endpoints are to be made anew.
	touched   bool
	all       bool
	endpoints map[endpoint]struct{}
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
	t.deleteService(id{namespace, name})
	return t.flush()
}

// RetainServices removes all Services but these.
func (t *Tracker) RetainServices(these []Name) state.Changes {
	retain(these, Name.id, t.services, t.deleteService)
	return t.flush()
}

func (t *Tracker) setService(in *ServiceInput) {
	s := t.service(id{in.Namespace, in.Name})
	if s.in != nil && s.in.UID != in.UID {
		t.setFact(s, nil)
	}
	s.in = in
	t.setSelector(s, in.Selector != "")
	t.expose(s, servicePorts(in))
}

func (t *Tracker) deleteService(name id) {
	s := t.services[name]
	if s == nil {
		return
	}
	s.in = nil
	t.setSelector(s, false)
	t.expose(s, nil)
}

// setSelector keeps track of which Services of a namespace select pods.
func (t *Tracker) setSelector(s *serviceRecord, selects bool) {
	all := t.selectors[s.name.namespace]
	switch {
	case selects && all == nil:
		t.selectors[s.name.namespace] = map[*serviceRecord]struct{}{s: {}}
	case selects:
		all[s] = struct{}{}
	default:
		if delete(all, s); len(all) == 0 {
			delete(t.selectors, s.name.namespace)
		}
	}
}

// touchSelectors marks the Services whose selector matches the labels for recomputation.
func (t *Tracker) touchSelectors(namespace string, labels LabelSet) {
	for s := range t.selectors[namespace] {
		if labels.Contains(s.in.Selector) {
			t.touchService(s)
		}
	}
}

// matches reports whether a Service's selector matches an unfinished pod.
func (t *Tracker) matches(s *serviceRecord) bool {
	for labels := range t.labels[s.name.namespace] {
		if labels.Contains(s.in.Selector) {
			return true
		}
	}
	return false
}

// refresh recomputes the fact of a Service.
func (t *Tracker) refresh(s *serviceRecord) {
	if s.in == nil {
		t.setFact(s, nil)
		return
	}
	t.setFact(s, serviceFact(s.in, s.fact, s.in.Selector == "" || t.matches(s), s.hasReadyEndpoint(), t.now()))
}

func (t *Tracker) setFact(s *serviceRecord, fact *state.Service) {
	var held, fresh []state.Object
	if s.fact != nil {
		held = []state.Object{s.fact}
	}
	if fact != nil {
		fresh = []state.Object{fact}
	}
	s.fact = nil
	for _, o := range t.changes.replace(held, fresh) {
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

// expose replaces the rows of a Service.
func (t *Tracker) expose(s *serviceRecord, rows []*state.Port) {
	s.rows = t.changes.replace(s.rows, appendObjects(nil, rows...))
	if exposed := exposures(rows); !slices.Equal(exposed, s.exposed) {
		s.exposed = exposed
		s.all = true
	}
	t.touchService(s)
}

// service returns the record of a Service, creating it if necessary.
func (t *Tracker) service(name id) *serviceRecord {
	s := t.services[name]
	if s == nil {
		s = &serviceRecord{name: name}
		t.services[name] = s
	}
	return s
}

func (t *Tracker) touchService(s *serviceRecord) {
	if !s.touched {
		s.touched = true
		t.touchedServices = append(t.touchedServices, s)
	}
}

func (t *Tracker) touchEndpoint(s *serviceRecord, e endpoint) {
	if s.endpoints == nil {
		s.endpoints = map[endpoint]struct{}{}
	}
	s.endpoints[e] = struct{}{}
	t.touchService(s)
}

// retarget recomputes the marked targets of a Service, and deletes the record of a Service
// without Service and slices.
func (t *Tracker) retarget(s *serviceRecord) {
	t.refresh(s)
	fresh := targets(s.name, s.exposed, s.slices, s.wanted)
	for who := range fresh {
		t.setTargets(s, who, fresh[who])
	}
	if s.all {
		t.dropTargets(s, maps.Keys(s.targets), fresh)
	} else {
		t.dropTargets(s, maps.Keys(s.endpoints), fresh)
	}
	s.touched, s.all, s.endpoints = false, false, nil
	if s.in == nil && len(s.slices) == 0 {
		delete(t.services, s.name)
	}
}

// dropTargets drops the targets of those endpoints that have none any more.
func (t *Tracker) dropTargets(s *serviceRecord, touched iter.Seq[endpoint], fresh map[endpoint][]*state.Target) {
	for who := range touched {
		if fresh[who] == nil && s.targets[who] != nil {
			t.setTargets(s, who, nil)
		}
	}
}

// wanted reports whether an endpoint's targets are marked for recomputation.
func (s *serviceRecord) wanted(e endpoint) bool {
	if s.all {
		return true
	}
	_, ok := s.endpoints[e]
	return ok
}

// setTargets replaces the targets of an endpoint.
func (t *Tracker) setTargets(s *serviceRecord, who endpoint, fresh []*state.Target) {
	pod := id{s.name.namespace, who.name}
	if who.isPod {
		t.nameContainers(pod, fresh)
		t.setBackend(pod, s, len(s.targets[who]) > 0, len(fresh) > 0)
	}
	if s.targets == nil {
		s.targets = map[endpoint][]state.Object{}
	}
	s.targets[who] = t.changes.replace(s.targets[who], appendObjects(nil, fresh...))
	if len(fresh) == 0 {
		delete(s.targets, who)
	}
}

// nameContainers finds the container behind each target of a pod.
func (t *Tracker) nameContainers(pod id, targets []*state.Target) {
	p := t.pods[pod]
	if p == nil {
		return
	}
	for _, target := range targets {
		target.Container = declaringContainer(p.declared, target.Protocol, target.ContainerPort)
	}
}

// setBackend keeps track of which Services have targets that name a pod.
func (t *Tracker) setBackend(pod id, s *serviceRecord, was, is bool) {
	switch {
	case is && !was:
		t.backends[pod] = append(t.backends[pod], s)
	case was && !is:
		rest := slices.DeleteFunc(t.backends[pod], func(other *serviceRecord) bool { return other == s })
		t.backends[pod] = rest
		if len(rest) == 0 {
			delete(t.backends, pod)
		}
	}
}
