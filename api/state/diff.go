package state

import "reflect"

// Diff returns the Delta from prev to next: Apply(prev, Diff(prev, next)) equals next if both have
// the same epoch. It includes entries whose seq or slot alone differs. Across epochs, where all
// seqs differ, use EachChange.
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

// EachChange calls f for every object that was added (before is nil), removed (after is nil) or
// whose content differs, kind by kind and in key order. The States may have different epochs.
func EachChange(prev, next *State, f func(before, after Object)) {
	compare(prev, next, func(before, after Entry) {
		if before.Object == nil || after.Object == nil || !Equal(before.Object, after.Object) {
			f(before.Object, after.Object)
		}
	})
}

// Equal reports whether two objects have the same content.
func Equal(a, b Object) bool { return a == b || reflect.DeepEqual(a, b) }

// compare calls f for every key of either State. It skips chunks that both share.
func compare(prev, next *State, f func(before, after Entry)) {
	if prev.id == next.id {
		return
	}
	for kind := range NumKinds {
		a, b := cursor{chunks: prev.tables[kind].chunks}, cursor{chunks: next.tables[kind].chunks}
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

// cursor iterates over a table's entries.
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

// skipShared advances both cursors past a chunk that both tables share, and reports whether it
// did.
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
