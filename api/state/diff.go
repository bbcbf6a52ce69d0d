package state

import "reflect"

// Diff is the Delta that leads from prev to next: Apply(prev, Diff(prev, next))
// equals next where both are of one epoch. An entry whose seq or slot alone
// differs is in it too, so across epochs, where every seq differs, use EachChange.
func Diff(prev, next *State) Delta {
	d := Delta{Epoch: next.Epoch, From: prev.Seq, To: next.Seq}
	compare(prev, next, func(before, after Entry) {
		switch {
		case after.Object == nil:
			d.Removes = append(d.Removes, before.Object.Key())
		case before.Object == nil || before.Seq != after.Seq || before.Slot != after.Slot || !Equal(before.Object, after.Object):
			d.Upserts = append(d.Upserts, after)
		}
	})
	if prev.Usage != next.Usage {
		d.Usage = next.Usage
	}
	if prev.Sections != next.Sections {
		d.Sections = &next.Sections
	}
	return d
}

// EachChange calls f with every object that was added (before is nil), removed
// (after is nil) or differs in content, kind by kind and in key order. It joins
// States of different epochs too.
func EachChange(prev, next *State, f func(before, after Object)) {
	compare(prev, next, func(before, after Entry) {
		if before.Object == nil || after.Object == nil || !Equal(before.Object, after.Object) {
			f(before.Object, after.Object)
		}
	})
}

// Equal says that two objects have the same content.
func Equal(a, b Object) bool { return a == b || reflect.DeepEqual(a, b) }

// compare calls f for every key of either; chunks that both share are passed over.
func compare(prev, next *State, f func(before, after Entry)) {
	if prev.SameObjects(next) {
		return
	}
	for kind := range NumKinds {
		a, b := cursor{chunks: prev.contents.table(kind).chunks}, cursor{chunks: next.contents.table(kind).chunks}
		for !a.done() || !b.done() {
			if skipShared(&a, &b) {
				continue
			}
			switch order := compareCursors(a, b); {
			case order < 0:
				f(a.take(), Entry{})
			case order > 0:
				f(Entry{}, b.take())
			default:
				f(a.take(), b.take())
			}
		}
	}
}

// cursor walks a table's entries.
type cursor struct {
	chunks []chunk
	i      int
}

func (c *cursor) done() bool { return len(c.chunks) == 0 }

func (c *cursor) entry() Entry { return c.chunks[0].entries[c.i] }

func (c *cursor) take() Entry {
	e := c.entry()
	if c.i++; c.i == len(c.chunks[0].entries) {
		c.chunks, c.i = c.chunks[1:], 0
	}
	return e
}

// skipShared moves both past a chunk that is one and the same in both.
func skipShared(a, b *cursor) bool {
	if a.done() || b.done() || a.i != 0 || b.i != 0 || &a.chunks[0].entries[0] != &b.chunks[0].entries[0] {
		return false
	}
	a.chunks, b.chunks = a.chunks[1:], b.chunks[1:]
	return true
}

func compareCursors(a, b cursor) int {
	switch {
	case a.done():
		return 1
	case b.done():
		return -1
	}
	return a.entry().Object.Key().Compare(b.entry().Object.Key())
}
