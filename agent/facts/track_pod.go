package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// podRecord is a pod that is there.
type podRecord struct {
	// facts are the pod, which comes first, its containers, and the ports it takes.
	facts []state.Object
	// declared are the ports by which a Service's target finds its container.
	declared []declaration
	touched  bool
}

// pod is the pod's own fact, nil before it is known.
func (p *podRecord) pod() *state.Pod {
	if len(p.facts) == 0 {
		return nil
	}
	return p.facts[0].(*state.Pod)
}

// SetPod takes in pods as they are now, whether or not they are the ones that were
// known by their names.
func (t *Tracker) SetPod(all ...*PodInput) state.Changes {
	for _, in := range all {
		t.setPod(in)
	}
	return t.flush()
}

// DeletePod takes in that a pod is gone.
func (t *Tracker) DeletePod(namespace, name string) state.Changes {
	t.deletePod(id{namespace, name})
	return t.flush()
}

// RetainPods takes in that there are no pods but these.
func (t *Tracker) RetainPods(these []Name) state.Changes {
	retain(these, Name.id, t.pods, t.deletePod)
	return t.flush()
}

func (t *Tracker) setPod(in *PodInput) {
	name := id{in.Namespace, in.Name}
	p := t.pods[name]
	if p == nil {
		p = &podRecord{}
		t.pods[name] = p
	}
	declared := t.shared(declarations(in))
	if !slices.Equal(declared, p.declared) {
		p.declared = declared
		t.touchBackends(name)
	}
	t.changePod(p, t.podFacts(in))
}

// shared is what a pod declares, in the memory of the pod before where that declares
// the same: in a list the pods of one workload follow each other.
func (t *Tracker) shared(declared []declaration) []declaration {
	if slices.Equal(declared, t.declared) {
		return t.declared
	}
	t.declared = declared
	return declared
}

func (t *Tracker) deletePod(name id) {
	p := t.pods[name]
	if p == nil {
		return
	}
	t.changePod(p, nil)
	delete(t.pods, name)
	t.touchBackends(name)
}

// podFacts are all facts that come from one pod.
func (t *Tracker) podFacts(in *PodInput) []state.Object {
	pod, ports := Pod(in), podPorts(in)
	pod.Storage = storage(in.Mounts, t.capacities(in.Namespace))
	facts := make([]state.Object, 0, 1+len(in.Containers)+len(ports))
	facts = append(facts, pod)
	for i := range in.Containers {
		facts = append(facts, Container(in, &in.Containers[i]))
	}
	return appendObjects(facts, ports...)
}

// changePod replaces a pod's facts, none where it is gone, and what its node and
// its claims know of it.
func (t *Tracker) changePod(p *podRecord, fresh []state.Object) {
	before := p.pod()
	p.facts = t.changes.replace(p.facts, fresh)
	if after := p.pod(); after != before {
		t.moveLoad(before, after)
		t.moveMounts(p, before, after)
	}
}

// moveLoad takes a pod's load from the node that carried it to the one that does.
func (t *Tracker) moveLoad(before, after *state.Pod) {
	if before != nil && loads(before) {
		n := t.node(before.Node)
		addPod(&n.sum, before, -1)
		t.touchNode(n)
	}
	if after != nil && loads(after) {
		n := t.node(after.Node)
		addPod(&n.sum, after, +1)
		t.touchNode(n)
	}
}

// touchBackends has the targets made anew which name a pod.
func (t *Tracker) touchBackends(name id) {
	for _, s := range t.backends[name] {
		t.touchEndpoint(s, endpoint{name.name, true})
	}
}
