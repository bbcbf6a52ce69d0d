package snapshot

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// maxTombstones limits Version.Tombstones.
const maxTombstones = 4096

// versioner computes each Version from the previous one and a batch of updates. It uses neither
// goroutines nor clocks.
type versioner struct {
	version       *Version
	slots         slotAllocator
	maxTombstones int
}

func newVersioner(epoch uint64) versioner {
	return versioner{version: &Version{State: &state.State{Epoch: epoch}}, maxTombstones: maxTombstones}
}

// apply applies a batch and returns the next Version. changed reports whether objects or
// section errors differ; a new reading of usage or time of a section does not count.
func (vs *versioner) apply(b batch) (v *Version, changed bool) {
	next := *vs.version
	vs.applyChanges(&next, b.changes)
	applySections(&next, b.sections)
	changed = next.State.Seq != vs.version.State.Seq
	if b.reading != nil {
		applyUsage(&next, usageBySlot(next.State, b.reading))
	}
	vs.pruneTombstones(&next)
	vs.version = &next
	return vs.version, changed
}

// applyChanges applies the objects that differ from the current ones, each with the next
// seq. It processes keys in ascending order, so that the same batches always result in the same
// Versions.
func (vs *versioner) applyChanges(v *Version, changes map[state.Key]state.Object) {
	current := v.State
	d := state.Delta{Epoch: current.Epoch, From: current.Seq, To: current.Seq}
	for _, key := range slices.SortedFunc(maps.Keys(changes), state.Key.Compare) {
		object := changes[key]
		old, exists := current.Get(key)
		switch {
		case object == nil && !exists, object != nil && exists && state.Equal(old.Object, object):
			continue
		case object == nil:
			d.To++
			d.Removes = append(d.Removes, key)
			v.Tombstones = append(v.Tombstones, Tombstone{Key: key, Seq: d.To, slot: old.Slot})
		default:
			d.To++
			if !exists && hasSlot(key.Kind) {
				old.Slot = vs.slots.allocate()
			}
			d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Slot: old.Slot, Object: object})
		}
	}
	if d.To == d.From {
		return
	}
	next, err := state.Apply(current, d)
	if err != nil {
		panic(fmt.Sprintf("apply a delta to the state it was computed from: %v", err))
	}
	v.Hash = v.Hash.Apply(current, d)
	v.State = next
}

// applySections applies the sections' status. A changed error takes the next seq.
func applySections(v *Version, sections map[state.SectionName]state.SectionStatus) {
	if len(sections) == 0 {
		return
	}
	next := *v.State
	for name, status := range sections {
		v.SectionStatuses[name] = status
		if next.Sections[name].Error != status.Error {
			next.Seq++
		}
		next.Sections[name] = state.Section{ObservedAt: status.ObservedAt, Error: status.Error}
	}
	v.State = &next
}

// applyUsage makes u the current reading, which takes the next seq.
func applyUsage(v *Version, u *state.Usage) {
	u.N = 1
	v.PreviousUsage = v.State.Usage
	if v.PreviousUsage != nil {
		u.N = v.PreviousUsage.N + 1
	}
	u.Group(nodesOf(v.State, len(u.BySlot)))
	next := *v.State
	next.Seq++
	next.Usage = u
	v.State = &next
}

// nodesOf returns a function that maps a slot to a number that identifies its node. Usage is grouped
// by that number, because metrics-server samples everything on a node at the same time.
func nodesOf(s *state.State, slots int) func(slot int) uint16 {
	nodes, numbers := make([]uint16, slots), map[string]uint16{}
	set := func(slot uint32, node uint16) {
		if int64(slot) < int64(slots) {
			nodes[slot] = node
		}
	}
	for e := range s.Entries(state.KindNode) {
		number := uint16(min(e.Slot+1, math.MaxUint16))
		numbers[e.Object.(*state.Node).Name] = number
		set(e.Slot, number)
	}
	for e := range s.Entries(state.KindContainer) {
		set(e.Slot, numbers[e.Object.(*state.Container).Node])
	}
	return func(slot int) uint16 { return nodes[slot] }
}

// pruneTombstones drops the oldest tombstones above maxTombstones and releases their slots.
// It also removes the samples in those slots, so that the next object in a slot does not
// inherit them.
func (vs *versioner) pruneTombstones(v *Version) {
	excess := len(v.Tombstones) - vs.maxTombstones
	if excess <= 0 {
		return
	}
	hasStaleSamples := false
	for _, t := range v.Tombstones[:excess] {
		if hasSlot(t.Key.Kind) {
			vs.slots.release(t.slot)
			hasStaleSamples = hasStaleSamples || v.State.Usage.Of(t.slot) != nil
		}
	}
	if hasStaleSamples {
		applyUsage(v, liveUsage(v.State))
	}
	v.Floor = v.Tombstones[excess-1].Seq
	v.Tombstones = v.Tombstones[excess:]
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
