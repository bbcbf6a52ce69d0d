package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// podRecord holds a pod.
type podRecord struct {
	// facts has the fact of the pod, which comes first, its containers, and the ports that it uses.
	facts []state.Object
	// declared has the declared ports, by which the container of a Service's target is found.
	declared []declaredPort
	// labels are the labels by which the pod is counted in Tracker.labels if indexed is true.
	labels  LabelSet
	indexed bool
	// crashes is nil if no container has crashed.
	crashes crashes
	dirty   bool
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

// pod returns the fact of the pod, or nil before it is computed.
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
	t.deletePod(NamespacedName{namespace, name})
	return t.flush()
}

// RetainPods removes all pods of a namespace except the named ones. The namespace "" stands for all.
func (t *Tracker) RetainPods(namespace string, names []NamespacedName) state.Changes {
	retainInNamespace(namespace, names, t.pods, t.deletePod)
	return t.flush()
}

// setPod adds or updates one pod.
func (t *Tracker) setPod(in *PodInput) {
	name := NamespacedName{in.Namespace, in.Name}
	p := t.pods[name]
	if p == nil {
		p = &podRecord{}
		t.pods[name] = p
	}
	declared := t.internDeclared(declaredPorts(in))
	if !slices.Equal(declared, p.declared) {
		p.declared = declared
		t.markTargetsOfPodDirty(name)
	}
	t.indexLabels(in.Namespace, p, in.Labels, !in.Phase.Finished())
	t.replacePod(p, t.podFacts(p, in))
}

// internDeclared returns the declared ports of the previous pod if they are equal. This saves memory, because the
// pods of a workload follow each other in a list.
func (t *Tracker) internDeclared(declared []declaredPort) []declaredPort {
	if slices.Equal(declared, t.lastDeclared) {
		return t.lastDeclared
	}
	t.lastDeclared = declared
	return declared
}

func (t *Tracker) deletePod(name NamespacedName) {
	p := t.pods[name]
	if p == nil {
		return
	}
	t.indexLabels(name.Namespace, p, "", false)
	t.replacePod(p, nil)
	delete(t.pods, name)
	t.markTargetsOfPodDirty(name)
}

// podFacts returns all facts of a pod. It ignores the previous facts in the record if they belong to another pod with
// the same name.
func (t *Tracker) podFacts(p *podRecord, in *PodInput) []state.Object {
	old, oldContainers, crashed := p.pod(), p.containers(), p.crashes
	if old != nil && (old.UID != in.UID || old.CreatedAt != in.CreatedAt) {
		old, oldContainers, crashed = nil, nil, nil
	}
	if crashed == nil {
		crashed = crashes{}
	}
	pod, containers := podFacts(in, old, oldContainers, crashed, t.now())
	if p.crashes = crashed; len(crashed) == 0 {
		p.crashes = nil
	}
	ports := podPortRows(in)
	pod.Storage = newStorage(in.Mounts, t.capacityOf(in.Namespace))
	facts := make([]state.Object, 0, 1+len(containers)+len(ports))
	facts = append(facts, pod)
	return appendObjects(appendObjects(facts, containers...), ports...)
}

// indexLabels updates Tracker.labels for a pod, which is counted if indexed is true. It marks the Services as dirty
// whose selector now matches a first pod, or no pod any longer.
func (t *Tracker) indexLabels(namespace string, p *podRecord, labels LabelSet, indexed bool) {
	if p.labels == labels && p.indexed == indexed {
		return
	}
	sets := t.labels[namespace]
	if sets == nil {
		sets = map[LabelSet]int{}
		t.labels[namespace] = sets
	}
	if p.indexed {
		if sets[p.labels]--; sets[p.labels] == 0 {
			delete(sets, p.labels)
			t.markSelectingServicesDirty(namespace, p.labels)
		}
	}
	if indexed {
		if sets[labels]++; sets[labels] == 1 {
			t.markSelectingServicesDirty(namespace, labels)
		}
	}
	if p.labels, p.indexed = labels, indexed; len(sets) == 0 {
		delete(t.labels, namespace)
	}
}

// replacePod replaces the facts of a pod, and updates the load of its node and the index of its claims. next is nil
// if the pod was removed.
func (t *Tracker) replacePod(p *podRecord, next []state.Object) {
	before := p.pod()
	p.facts = t.changes.replace(p.facts, next)
	if after := p.pod(); after != before {
		t.updateLoads(before, after)
		t.indexClaims(p, before, after)
	}
}

// updateLoads subtracts the load of a pod from its previous node and adds it to its current one. before and after may
// be nil.
func (t *Tracker) updateLoads(before, after *state.Pod) {
	if before != nil && countsForNode(before) {
		n := t.nodeRecord(before.Node)
		n.loadSum.addPod(before, -1)
		t.markNodeDirty(n)
	}
	if after != nil && countsForNode(after) {
		n := t.nodeRecord(after.Node)
		n.loadSum.addPod(after, +1)
		t.markNodeDirty(n)
	}
}

// markTargetsOfPodDirty marks the targets in a pod for recomputation.
func (t *Tracker) markTargetsOfPodDirty(name NamespacedName) {
	for _, s := range t.servicesByPod[name] {
		t.markEndpointDirty(s, endpoint{name.Name, true})
	}
}
