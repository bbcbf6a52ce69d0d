package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// changes collects the changes of one call of the Tracker. Every fact has one source: a node, a pod, a Service, an
// endpoint of a Service, a claim or a volume. The facts of a source are replaced at most once per call, so no key
// occurs twice.
type changes state.Changes

// replace replaces the facts of a source, which are sorted by key, and records the differences. It returns the next
// facts sorted by key. A fact that is equal to an old one is replaced by the old one, so that the Tracker and the
// State share its memory.
func (c *changes) replace(old, next []state.Object) []state.Object {
	next = sortByKey(next)
	for i, object := range next {
		key := object.Key()
		for len(old) > 0 && old[0].Key().Compare(key) < 0 {
			c.Removes = append(c.Removes, old[0].Key())
			old = old[1:]
		}
		if len(old) > 0 && old[0].Key() == key {
			if state.Equal(old[0], object) {
				next[i] = old[0]
			} else {
				c.Upserts = append(c.Upserts, object)
			}
			old = old[1:]
			continue
		}
		c.Upserts = append(c.Upserts, object)
	}
	for _, object := range old {
		c.Removes = append(c.Removes, object.Key())
	}
	return next
}

// sortByKey sorts objects in place. If several have the same key, it keeps the first one.
func sortByKey(objects []state.Object) []state.Object {
	slices.SortStableFunc(objects, func(a, b state.Object) int { return a.Key().Compare(b.Key()) })
	return slices.CompactFunc(objects, func(a, b state.Object) bool { return a.Key() == b.Key() })
}

// appendObjects appends facts of one type to a list of facts of any type.
func appendObjects[T state.Object](to []state.Object, facts ...T) []state.Object {
	for _, fact := range facts {
		to = append(to, fact)
	}
	return to
}
