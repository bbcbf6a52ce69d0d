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
	// labels are those under which the pod is counted; counted says whether it is.
	labels  LabelSet
	counted bool
	// crashes is nil while no container has crashed.
	crashes crashes
	touched bool
}

// containers returns the facts of the pod's containers.
func (p *podRecord) containers() []*state.Container {
	var all []*state.Container
	for _, fact := range p.facts {
		if c, ok := fact.(*state.Container); ok {
			all = append(all, c)
		}
	}
	return all
}

// pod returns the pod's own fact, or nil before it is known.
func (p *podRecord) pod() *state.Pod {
	if len(p.facts) == 0 {
		return nil
	}
	return p.facts[0].(*state.Pod)
}

// SetPod adds or updates pods. A pod may have replaced another one with the same name.
func (t *Tracker) SetPod(all ...*PodInput) state.Changes {
	for _, in := range all {
		t.setPod(in)
	}
	return t.flush()
}

// DeletePod removes a pod.
func (t *Tracker) DeletePod(namespace, name string) state.Changes {
	t.deletePod(id{namespace, name})
	return t.flush()
}

// RetainPods removes all pods but these.
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
	t.countLabels(in.Namespace, p, in.Labels, !in.Phase.Finished())
	t.changePod(p, t.podFacts(p, in))
}

// shared returns the declarations of the previous pod if they are equal, to share memory: in a
// list the pods of one workload follow each other.
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
	t.countLabels(name.namespace, p, "", false)
	t.changePod(p, nil)
	delete(t.pods, name)
	t.touchBackends(name)
}

// podFacts returns all facts that come from one pod, given its record. A pod that was
// made anew under its name has nothing to do with the one before.
func (t *Tracker) podFacts(p *podRecord, in *PodInput) []state.Object {
	held, heldContainers, seen := p.pod(), p.containers(), p.crashes
	if held != nil && (held.UID != in.UID || held.CreatedAt != in.CreatedAt) {
		held, heldContainers, seen = nil, nil, nil
	}
	if seen == nil {
		seen = crashes{}
	}
	pod, containers := podFacts(in, held, heldContainers, seen, t.now())
	if p.crashes = seen; len(seen) == 0 {
		p.crashes = nil
	}
	ports := podPorts(in)
	pod.Storage = storage(in.Mounts, t.capacities(in.Namespace))
	facts := make([]state.Object, 0, 1+len(containers)+len(ports))
	facts = append(facts, pod)
	return appendObjects(appendObjects(facts, containers...), ports...)
}

// countLabels counts a pod under its labels, or no longer. Services whose selector may
// match other pods than before are looked at anew.
func (t *Tracker) countLabels(namespace string, p *podRecord, labels LabelSet, counted bool) {
	if p.labels == labels && p.counted == counted {
		return
	}
	sets := t.labels[namespace]
	if sets == nil {
		sets = map[LabelSet]int{}
		t.labels[namespace] = sets
	}
	if p.counted {
		if sets[p.labels]--; sets[p.labels] == 0 {
			delete(sets, p.labels)
			t.touchSelectors(namespace, p.labels)
		}
	}
	if counted {
		if sets[labels]++; sets[labels] == 1 {
			t.touchSelectors(namespace, labels)
		}
	}
	if p.labels, p.counted = labels, counted; len(sets) == 0 {
		delete(t.labels, namespace)
	}
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

// moveLoad moves a pod's load from its previous to its present node.
func (t *Tracker) moveLoad(before, after *state.Pod) {
	if before != nil && loads(before) {
		n := t.node(before.Node)
		n.sum.addPod(before, -1)
		t.touchNode(n)
	}
	if after != nil && loads(after) {
		n := t.node(after.Node)
		n.sum.addPod(after, +1)
		t.touchNode(n)
	}
}

// touchBackends marks the targets that name a pod for recomputation.
func (t *Tracker) touchBackends(name id) {
	for _, s := range t.backends[name] {
		t.touchEndpoint(s, endpoint{name.name, true})
	}
}
