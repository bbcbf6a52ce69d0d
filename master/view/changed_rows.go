package view

import (
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// changedRows holds the rows that may look different after a change of the state.
type changedRows struct {
	changes []rowChange
	// ownerChangedPods holds the pods that were added, deleted or have a new owner. In scopes with
	// an owner filter, their containers and ports may appear or disappear without a change of their
	// own.
	ownerChangedPods map[podName]bool
}

type podName struct{ namespace, name string }

// servicePort identifies a port of a Service; rows and targets have it in common.
type servicePort struct {
	namespace, service, port string
	protocol                 state.Protocol
}

// rowCollector collects the keys of changed rows.
type rowCollector struct {
	keys             map[state.Key]bool
	ownerChangedPods map[podName]bool
	changedTargets   map[servicePort]bool
	portChanged      bool
}

// diffRows returns the rows that may look different in the state after. A row depends on several
// objects, so it may change without its own object.
func diffRows(before, after rowEncoder) changedRows {
	t := rowCollector{keys: map[state.Key]bool{}, ownerChangedPods: map[podName]bool{}, changedTargets: map[servicePort]bool{}}
	state.EachChange(before.state, after.state, t.add)
	if len(t.changedTargets) > 0 {
		t.addPortsOfTargets(before.state)
		t.addPortsOfTargets(after.state)
	}
	if t.portChanged {
		t.addConflicts(before.conflicts(), after.conflicts())
	}
	return changedRows{changes: changesOf(t.keys, before.state, after.state), ownerChangedPods: t.ownerChangedPods}
}

// add adds the rows that depend on a changed object.
func (t *rowCollector) add(before, after state.Object) {
	one := after
	if one == nil {
		one = before
	}
	switch o := one.(type) {
	case *state.NodeLoad:
		t.keys[state.Key{Kind: state.KindNode, Name: o.Node}] = true
		return
	case *state.Target:
		t.changedTargets[servicePort{o.ServiceNamespace, o.Service, o.ServicePort, o.Protocol}] = true
		return
	case *state.Port:
		t.portChanged = true
	case *state.Pod:
		if before == nil || after == nil || before.(*state.Pod).Owner != o.Owner {
			t.ownerChangedPods[podName{o.Namespace, o.Name}] = true
		}
	}
	t.keys[one.Key()] = true
}

// addPortsOfTargets adds the ports whose targets changed.
func (t *rowCollector) addPortsOfTargets(s *state.State) {
	for p := range s.Ports() {
		if p.ServicePort != nil && t.changedTargets[servicePort{p.Namespace, p.Service, p.ServicePort.Name, p.Protocol}] {
			t.keys[p.Key()] = true
		}
	}
}

// addConflicts adds the ports whose conflicts changed.
func (t *rowCollector) addConflicts(before, after map[*state.Port][]state.PortKey) {
	held := make(map[state.Key][]state.PortKey, len(before))
	for p, others := range before {
		held[p.Key()] = others
	}
	for p, others := range after {
		key := p.Key()
		if !slices.Equal(held[key], others) {
			t.keys[key] = true
		}
		delete(held, key)
	}
	for key := range held {
		t.keys[key] = true
	}
}

// changesOf returns the rows of the keys, in key order. It omits keys that neither state has: the
// load of a node may outlive the node.
func changesOf(keys map[state.Key]bool, before, after *state.State) []rowChange {
	changes := make([]rowChange, 0, len(keys))
	for _, key := range slices.SortedFunc(maps.Keys(keys), state.Key.Compare) {
		c := rowChange{row: &rowBytes{}}
		c.before, _ = before.Get(key)
		c.after, _ = after.Get(key)
		if c.before.Object != nil || c.after.Object != nil {
			changes = append(changes, c)
		}
	}
	return changes
}

func (c *rowChange) key() state.Key {
	if c.after.Object != nil {
		return c.after.Object.Key()
	}
	return c.before.Object.Key()
}

// inScope returns the rows that belong to the lists of a scope, in key order. It adds rows that
// changed only for this scope: by their owner, or by their usage.
func (t changedRows) inScope(s *Scope, before, after rowEncoder) []rowChange {
	changes := make([]rowChange, 0, len(t.changes))
	known := map[state.Key]bool{}
	for _, c := range t.changes {
		if key := c.key(); s.includes(partOfKind[key.Kind]) {
			changes = append(changes, c)
			known[key] = true
		}
	}
	more := map[state.Key]bool{}
	if s.Filter.OwnerName != "" && len(t.ownerChangedPods) > 0 {
		t.addOwnedRows(s, more, before)
		t.addOwnedRows(s, more, after)
	}
	if s.Usage == UsageObjects {
		addUsageChanges(s, more, before.state, after.state)
	}
	maps.DeleteFunc(more, func(key state.Key, _ bool) bool { return known[key] })
	if len(more) == 0 {
		return changes
	}
	changes = append(changes, changesOf(more, before.state, after.state)...)
	slices.SortFunc(changes, func(a, b rowChange) int { return a.key().Compare(b.key()) })
	return changes
}

// addOwnedRows adds the containers and ports of the pods in ownerChangedPods.
func (t changedRows) addOwnedRows(s *Scope, keys map[state.Key]bool, r rowEncoder) {
	if s.includes(Containers) {
		for pod := range t.ownerChangedPods {
			for c := range r.state.ContainersOf(pod.namespace, pod.name) {
				keys[c.Key()] = true
			}
		}
	}
	if !s.includes(Ports) {
		return
	}
	for p := range r.state.Ports() {
		if t.ownerChangedPods[podName{p.Namespace, p.Pod}] {
			keys[p.Key()] = true
			continue
		}
		for target := range r.state.TargetsOf(p) {
			if t.ownerChangedPods[podName{target.Namespace, target.Pod}] {
				keys[p.Key()] = true
				break
			}
		}
	}
}

// addUsageChanges adds the nodes and containers whose usage changed. If the state has no usage yet,
// there is no change.
func addUsageChanges(s *Scope, keys map[state.Key]bool, before, after *state.State) {
	if after.Usage == nil || sameReading(before.Usage, after.Usage, before.Epoch == after.Epoch) {
		return
	}
	for _, p := range []Part{Nodes, Containers} {
		if !s.includes(p) {
			continue
		}
		for e := range after.Entries(kinds[p]) {
			key := e.Object.Key()
			held, ok := before.Get(key)
			if ok && !equalUsage(before.Usage.Of(held.Slot), after.Usage.Of(e.Slot)) {
				keys[key] = true
			}
		}
	}
}

// sameReading reports whether two states, whose epoch may be the same, have the same reading of usage.
func sameReading(before, after *state.Usage, sameEpoch bool) bool {
	return before == after || before != nil && after != nil && sameEpoch && before.N == after.N
}

func equalUsage(a, b *state.Used) bool { return a == b || a != nil && b != nil && *a == *b }
