package heapster

import "hash/maphash"

var seed = maphash.MakeSeed()

// identity names the object of a row. A node has node only.
type identity struct{ namespace, pod, container, node string }

func (r *row) identity() identity { return identity{r.namespace, r.pod, r.container, r.node} }

// SlotOwners returns the owner of each slot: a hash of the names of its node or container, the
// same in all inventories of this process. It is 0 for a slot without an owner.
func (v *Inventory) SlotOwners() []uint64 {
	var slots []uint64
	set := func(slot uint32, owner identity) {
		if missing := int(slot) + 1 - len(slots); missing > 0 {
			slots = append(slots, make([]uint64, missing)...)
		}
		slots[slot] = maphash.Comparable(seed, owner)
	}
	for i := range v.rows {
		if v.rows[i].kind == Container {
			set(v.rows[i].slot, v.rows[i].identity())
		}
	}
	for i := range v.nodes {
		set(v.nodes[i].slot, identity{node: v.nodes[i].name})
	}
	return slots
}

// Removed returns the part of v that next does not have, or nil if next has all of it.
func (v *Inventory) Removed(next *Inventory) *Inventory {
	kept := make(map[identity]bool, next.Len())
	for i := range next.rows {
		kept[next.rows[i].identity()] = true
	}
	for i := range next.nodes {
		kept[identity{node: next.nodes[i].name}] = true
	}
	removed := &Inventory{partial: true, hosts: v.hosts}
	for _, r := range v.rows {
		if !kept[r.identity()] {
			removed.rows = append(removed.rows, r)
		}
	}
	for _, n := range v.nodes {
		if !kept[identity{node: n.name}] {
			removed.nodes = append(removed.nodes, n)
		}
	}
	if removed.Len() == 0 {
		return nil
	}
	return removed
}
