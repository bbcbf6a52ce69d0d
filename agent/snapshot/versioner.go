package snapshot

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// maxTombstones limits Version.Removed.
const maxTombstones = 4096

// versioner makes each Version from the one before. It uses neither goroutines nor clocks.
type versioner struct {
	version       *Version
	slots         slotAllocator
	maxTombstones int
}

func newVersioner(epoch uint64) versioner {
	return versioner{version: &Version{State: &state.State{Epoch: epoch}}, maxTombstones: maxTombstones}
}

// take applies a batch and returns the next Version. changed reports whether objects or
// section errors differ; a new reading of usage or time of a section does not count.
func (vs *versioner) take(b batch) (v *Version, changed bool) {
	next := *vs.version
	vs.applyChanges(&next, b.changes)
	applySections(&next, b.sections)
	changed = next.State.Seq != vs.version.State.Seq
	if b.sample != nil {
		applyUsage(&next, columns(next.State, b.sample))
	}
	vs.pruneTombstones(&next)
	vs.version = &next
	return vs.version, changed
}

// applyChanges applies the objects that differ from the current ones, each with the next
// seq. It goes by key order, so that the same batches always give the same Versions.
func (vs *versioner) applyChanges(v *Version, changes map[state.Key]state.Object) {
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
				before.Slot = vs.slots.allocate()
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
	v.Hash = v.Hash.Apply(held, d)
	v.State = next
}

// applySections applies the sections' status. A changed error takes the next seq.
func applySections(v *Version, sections map[state.SectionName]state.SectionStatus) {
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

// nodesOf returns a function from a slot to a number of its node, by which usage is
// grouped: metrics-server samples everything on a node at the same time.
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

// pruneTombstones drops the oldest tombstones above maxTombstones and releases their slots.
// It also removes usage that is left in those slots, so that the next object with the slot
// does not get it.
func (vs *versioner) pruneTombstones(v *Version) {
	excess := len(v.Removed) - vs.maxTombstones
	if excess <= 0 {
		return
	}
	hasStaleSamples := false
	for _, t := range v.Removed[:excess] {
		if hasSlot(t.Key.Kind) {
			vs.slots.release(t.slot)
			hasStaleSamples = hasStaleSamples || v.State.Usage.Of(t.slot) != nil
		}
	}
	if hasStaleSamples {
		applyUsage(v, liveUsage(v.State))
	}
	v.Floor = v.Removed[excess-1].Seq
	v.Removed = v.Removed[excess:]
}

// liveUsage returns the current reading without samples of removed objects.
func liveUsage(s *state.State) *state.Usage {
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
