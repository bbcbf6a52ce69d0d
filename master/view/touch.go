package view

import (
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// touched is what one change of the state may have changed for those who watch it.
type touched struct {
	changes []change
	// strays are pods that came, went, or have another owner: by owner, rows may enter
	// or leave a scope that did not change themselves.
	strays map[podName]bool
}

type podName struct{ namespace, name string }

// servicePort is what rows and their targets have in common.
type servicePort struct {
	namespace, service, port string
	protocol                 state.Protocol
}

// toucher gathers the keys of rows.
type toucher struct {
	keys   map[state.Key]bool
	strays map[podName]bool
	led    map[servicePort]bool
	ports  bool
}

// touch finds the rows that one state after another may show otherwise: an object is
// finer than a row.
func touch(before, after rows) touched {
	t := toucher{keys: map[state.Key]bool{}, strays: map[podName]bool{}, led: map[servicePort]bool{}}
	state.EachChange(before.state, after.state, t.take)
	if len(t.led) > 0 {
		t.takeLed(before.state)
		t.takeLed(after.state)
	}
	if t.ports {
		t.takeConflicts(before.conflicts(), after.conflicts())
	}
	return touched{changes: changesOf(t.keys, before.state, after.state), strays: t.strays}
}

// take takes in one object that differs.
func (t *toucher) take(before, after state.Object) {
	one := after
	if one == nil {
		one = before
	}
	switch o := one.(type) {
	case *state.NodeLoad:
		t.keys[state.Key{Kind: state.KindNode, Name: o.Node}] = true
		return
	case *state.Target:
		t.led[servicePort{o.ServiceNamespace, o.Service, o.ServicePort, o.Protocol}] = true
		return
	case *state.Port:
		t.ports = true
	case *state.Pod:
		if before == nil || after == nil || before.(*state.Pod).Owner != o.Owner {
			t.strays[podName{o.Namespace, o.Name}] = true
		}
	}
	t.keys[one.Key()] = true
}

// takeLed takes in the rows that lead to targets which changed.
func (t *toucher) takeLed(s *state.State) {
	for p := range s.Ports() {
		if p.ServicePort != nil && t.led[servicePort{p.Namespace, p.Service, p.ServicePort.Name, p.Protocol}] {
			t.keys[p.Key()] = true
		}
	}
}

// takeConflicts takes in the rows that conflict with others than before.
func (t *toucher) takeConflicts(before, after map[*state.Port][]state.PortKey) {
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

// changesOf are the rows under keys, in key order. A key that neither state has is a
// row of none: a node's load may outlive it.
func changesOf(keys map[state.Key]bool, before, after *state.State) []change {
	changes := make([]change, 0, len(keys))
	for _, key := range slices.SortedFunc(maps.Keys(keys), state.Key.Compare) {
		c := change{row: &encoded{}}
		c.before, _ = before.Get(key)
		c.after, _ = after.Get(key)
		if c.before.Object != nil || c.after.Object != nil {
			changes = append(changes, c)
		}
	}
	return changes
}

func (c *change) key() state.Key {
	if c.after.Object != nil {
		return c.after.Object.Key()
	}
	return c.before.Object.Key()
}

// of are the changes that concern a scope.
func (t touched) of(s *Scope, before, after rows) []change {
	mine := make([]change, 0, len(t.changes))
	known := map[state.Key]bool{}
	for _, c := range t.changes {
		if key := c.key(); s.lists(partOf[key.Kind]) {
			mine = append(mine, c)
			known[key] = true
		}
	}
	more := map[state.Key]bool{}
	if s.Filter.OwnerName != "" && len(t.strays) > 0 {
		t.takeOwned(s, more, before)
		t.takeOwned(s, more, after)
	}
	if s.Usage == UsageObjects {
		takeUsed(s, more, before.state, after.state)
	}
	maps.DeleteFunc(more, func(key state.Key, _ bool) bool { return known[key] })
	if len(more) == 0 {
		return mine
	}
	mine = append(mine, changesOf(more, before.state, after.state)...)
	slices.SortFunc(mine, func(a, b change) int { return a.key().Compare(b.key()) })
	return mine
}

// takeOwned takes in the rows that belong to a stray's owner, or lead to one.
func (t touched) takeOwned(s *Scope, keys map[state.Key]bool, r rows) {
	if s.lists(Containers) {
		for pod := range t.strays {
			for c := range r.state.ContainersOf(pod.namespace, pod.name) {
				keys[c.Key()] = true
			}
		}
	}
	if !s.lists(Ports) {
		return
	}
	for p := range r.state.Ports() {
		if t.strays[podName{p.Namespace, p.Pod}] {
			keys[p.Key()] = true
			continue
		}
		for target := range r.state.TargetsOf(p) {
			if t.strays[podName{target.Namespace, target.Pod}] {
				keys[p.Key()] = true
				break
			}
		}
	}
}

// takeUsed takes in the nodes and containers with another usage than before. A state
// without any reading has none yet, which is no news.
func takeUsed(s *Scope, keys map[state.Key]bool, before, after *state.State) {
	if after.Usage == nil || sameReading(before, after) {
		return
	}
	for _, p := range []Part{Nodes, Containers} {
		if !s.lists(p) {
			continue
		}
		for e := range after.Entries(kinds[p]) {
			key := e.Object.Key()
			held, ok := before.Get(key)
			if ok && !sameUsed(before.Usage.Of(held.Slot), after.Usage.Of(e.Slot)) {
				keys[key] = true
			}
		}
	}
}

// sameReading says that two states have one and the same reading of usage.
func sameReading(before, after *state.State) bool {
	return before.Usage == after.Usage ||
		before.Usage != nil && after.Usage != nil && before.Epoch == after.Epoch && before.Usage.N == after.Usage.N
}

func sameUsed(a, b *state.Used) bool { return a == b || a != nil && b != nil && *a == *b }
