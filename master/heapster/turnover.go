package heapster

import "hash/maphash"

var seed = maphash.MakeSeed()

// identity is whose a row is.
type identity struct{ namespace, pod, container, node string }

func (r *row) identity() identity { return identity{r.namespace, r.pod, r.container, r.node} }

// Slots tells whose each slot is, as numbers that are the same for the same node or
// container in all Rosters of this process; 0: nobody's.
func (r *Roster) Slots() []uint64 {
	var slots []uint64
	put := func(slot uint32, who identity) {
		if missing := int(slot) + 1 - len(slots); missing > 0 {
			slots = append(slots, make([]uint64, missing)...)
		}
		slots[slot] = maphash.Comparable(seed, who)
	}
	for i := range r.rows {
		if r.rows[i].kind == Container {
			put(r.rows[i].slot, r.rows[i].identity())
		}
	}
	for i := range r.nodes {
		put(r.nodes[i].slot, identity{node: r.nodes[i].name})
	}
	return slots
}

// Without is what r has and next has not; nil where there is nothing.
func (r *Roster) Without(next *Roster) *Roster {
	there := make(map[identity]bool, next.Len())
	for i := range next.rows {
		there[next.rows[i].identity()] = true
	}
	for i := range next.nodes {
		there[identity{node: next.nodes[i].name}] = true
	}
	gone := &Roster{part: true, hosts: r.hosts}
	for _, one := range r.rows {
		if !there[one.identity()] {
			gone.rows = append(gone.rows, one)
		}
	}
	for _, one := range r.nodes {
		if !there[identity{node: one.name}] {
			gone.nodes = append(gone.nodes, one)
		}
	}
	if gone.Len() == 0 {
		return nil
	}
	return gone
}
