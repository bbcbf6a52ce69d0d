package snapshot

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// maxTombstones is how many removals are remembered.
const maxTombstones = 4096

// ledger makes each Version from the one before. It is pure: no goroutine, no
// clock.
type ledger struct {
	version       *Version
	slots         slots
	maxTombstones int
}

func newLedger(epoch uint64) ledger {
	return ledger{version: &Version{State: &state.State{Epoch: epoch}}, maxTombstones: maxTombstones}
}

// take makes a batch the next Version. news says that there is more in it than a
// reading of usage or a section's time.
func (l *ledger) take(b batch) (v *Version, news bool) {
	next := *l.version
	l.applyChanges(&next, b.changes)
	applySections(&next, b.sections)
	news = next.State.Seq != l.version.State.Seq
	if b.sample != nil {
		applyUsage(&next, columns(next.State, b.sample))
	}
	l.bury(&next)
	l.version = &next
	return l.version, news
}

// applyChanges counts each key that really changed, in key order, so that the same
// history always gives the same Version.
func (l *ledger) applyChanges(v *Version, changes map[state.Key]state.Object) {
	held := v.State
	d := state.Delta{Epoch: held.Epoch, From: held.Seq, To: held.Seq}
	for _, key := range slices.SortedFunc(maps.Keys(changes), state.Key.Compare) {
		object := changes[key]
		before, known := held.Get(key)
		switch {
		case object == nil && !known, object != nil && known && state.Equal(before.Object, object):
			continue
		case object == nil:
			d.To++
			d.Removes = append(d.Removes, key)
			v.Removed = append(v.Removed, Tombstone{Key: key, Seq: d.To, slot: before.Slot})
		default:
			d.To++
			if !known && hasSlot(key.Kind) {
				before.Slot = l.slots.give()
			}
			d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: before.Slot, Object: object})
		}
	}
	if d.To == d.From {
		return
	}
	next, err := state.Apply(held, d)
	if err != nil {
		panic(fmt.Sprintf("a delta made from the state does not fit it: %v", err))
	}
	v.Hash = v.Hash.After(held, d)
	v.State = next
}

// applySections counts each section whose error became another.
func applySections(v *Version, sections map[state.SectionName]state.SectionReport) {
	if len(sections) == 0 {
		return
	}
	next := *v.State
	for name, r := range sections {
		v.Reports[name] = r
		if next.Sections[name].Error != r.Error {
			next.Seq++
		}
		next.Sections[name] = state.Section{ObservedAt: r.ObservedAt, Error: r.Error}
	}
	v.State = &next
}

func applyUsage(v *Version, u *state.Usage) {
	u.N = 1
	v.Before = v.State.Usage
	if v.Before != nil {
		u.N = v.Before.N + 1
	}
	u.Group(nodesOf(v.State, len(u.BySlot)))
	next := *v.State
	next.Seq++
	next.Usage = u
	v.State = &next
}

// nodesOf tells the node of each slot as a group: metrics-server reads all of a node at
// once.
func nodesOf(s *state.State, slots int) func(slot int) uint16 {
	nodes, numbers := make([]uint16, slots), map[string]uint16{}
	put := func(slot uint32, node uint16) {
		if int64(slot) < int64(slots) {
			nodes[slot] = node
		}
	}
	for e := range s.Entries(state.KindNode) {
		number := uint16(min(e.Slot+1, math.MaxUint16))
		numbers[e.Object.(*state.Node).Name] = number
		put(e.Slot, number)
	}
	for e := range s.Entries(state.KindContainer) {
		put(e.Slot, numbers[e.Object.(*state.Container).Node])
	}
	return func(slot int) uint16 { return nodes[slot] }
}

// bury drops the oldest tombstones beyond the limit, and lets their slots go once
// no sample is left in them: who comes next must not inherit one.
func (l *ledger) bury(v *Version) {
	excess := len(v.Removed) - l.maxTombstones
	if excess <= 0 {
		return
	}
	haunted := false
	for _, t := range v.Removed[:excess] {
		if hasSlot(t.Key.Kind) {
			l.slots.release(t.slot)
			haunted = haunted || v.State.Usage.Of(t.slot) != nil
		}
	}
	if haunted {
		applyUsage(v, living(v.State))
	}
	v.Floor = v.Removed[excess-1].Seq
	v.Removed = v.Removed[excess:]
}

// living is the present reading without the samples of what is gone.
func living(s *state.State) *state.Usage {
	u := &state.Usage{BySlot: make([]state.Used, len(s.Usage.BySlot))}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			if used := s.Usage.Of(e.Slot); used != nil {
				u.BySlot[e.Slot] = *used
			}
		}
	}
	return u
}
