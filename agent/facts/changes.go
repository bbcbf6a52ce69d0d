package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// changes gathers what a call of the Tracker changed. Every object belongs to one
// owner (a node, a pod, a Service, an endpoint of one), whose objects are replaced
// at most once a call, so no key is gathered twice.
type changes state.Changes

// replace replaces the objects of an owner by fresh, records the differences, and returns the
// owner's objects in key order. Equal objects keep their identity, so that the facts in the
// Tracker and in the State share memory.
func (c *changes) replace(held, fresh []state.Object) []state.Object {
	fresh = inKeyOrder(fresh)
	for i, object := range fresh {
		key := object.Key()
		for len(held) > 0 && held[0].Key().Compare(key) < 0 {
			c.Removes = append(c.Removes, held[0].Key())
			held = held[1:]
		}
		if len(held) > 0 && held[0].Key() == key {
			if state.Equal(held[0], object) {
				fresh[i] = held[0]
			} else {
				c.Upserts = append(c.Upserts, object)
			}
			held = held[1:]
			continue
		}
		c.Upserts = append(c.Upserts, object)
	}
	for _, gone := range held {
		c.Removes = append(c.Removes, gone.Key())
	}
	return fresh
}

// inKeyOrder sorts objects in place; of several under one key the first stays.
func inKeyOrder(objects []state.Object) []state.Object {
	slices.SortStableFunc(objects, func(a, b state.Object) int { return a.Key().Compare(b.Key()) })
	return slices.CompactFunc(objects, func(a, b state.Object) bool { return a.Key() == b.Key() })
}

// appendObjects adds facts of one type to a list of facts of any.
func appendObjects[T state.Object](to []state.Object, facts ...T) []state.Object {
	for _, fact := range facts {
		to = append(to, fact)
	}
	return to
}
