package snapshot

import (
	"sort"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// Version is the state at one seq with everything that a session needs to send it. It is
// immutable.
type Version struct {
	State *state.State
	// Hash is the hash of State's objects.
	Hash wire.Hash
	// Tombstones holds the latest removals by ascending seq. A key may be in it several
	// times, and also if the object exists again.
	Tombstones []Tombstone
	// Floor is the seq of the latest removal that is no longer in Tombstones. There is no
	// Delta from a state before it.
	Floor uint64
	// PreviousUsage is the reading of usage before State.Usage. A master that reconnects after a
	// short interruption resumes from it.
	PreviousUsage *state.Usage
	// SectionStatuses holds the status of each section as its source reported it. ObservedAt in
	// State.Sections is not kept up to date; Ages is.
	SectionStatuses [state.NumSections]state.SectionStatus
}

// Tombstone records a removal.
type Tombstone struct {
	Key state.Key
	Seq uint64
	// slot is not allocated to another object before the tombstone is dropped.
	slot uint32
}

// DeltaSince returns the Delta from the state at an earlier seq of this epoch to v. ok is
// false if seq is before Floor or after v.
func (v *Version) DeltaSince(seq uint64) (d *wire.Delta, ok bool) {
	if seq < v.Floor || seq > v.State.Seq {
		return nil, false
	}
	d = &wire.Delta{From: seq, To: v.State.Seq}
	for e := range v.State.ChangedSince(seq) {
		d.Upserts = append(d.Upserts, e)
	}
	d.Removes = v.removedSince(seq)
	return d, true
}

// UsageReading returns the reading of usage number n if it is one of the last two, else nil.
func (v *Version) UsageReading(n uint64) *state.Usage {
	for _, u := range []*state.Usage{v.State.Usage, v.PreviousUsage} {
		if u != nil && u.N == n {
			return u
		}
	}
	return nil
}

// removedSince returns the keys that were removed after seq and do not exist now, each
// once.
func (v *Version) removedSince(seq uint64) []state.Key {
	var keys []state.Key
	seen := map[state.Key]bool{}
	first := sort.Search(len(v.Tombstones), func(i int) bool { return v.Tombstones[i].Seq > seq })
	for _, t := range v.Tombstones[first:] {
		if _, exists := v.State.Get(t.Key); exists || seen[t.Key] {
			continue
		}
		seen[t.Key] = true
		keys = append(keys, t.Key)
	}
	return keys
}

// Ages returns the time from when each section was last known to be current until now. A
// negative age means that it never was.
func (v *Version) Ages(now time.Time) [state.NumSections]time.Duration {
	var ages [state.NumSections]time.Duration
	for i, status := range v.SectionStatuses {
		ages[i] = -1
		if at := status.At(now).ObservedAt; !at.IsZero() {
			ages[i] = max(now.Sub(at), 0)
		}
	}
	return ages
}

// Errors returns the error of each section; the zero SectionError means none.
func (v *Version) Errors() [state.NumSections]state.SectionError {
	var errors [state.NumSections]state.SectionError
	for i, status := range v.SectionStatuses {
		errors[i] = status.Error
	}
	return errors
}

// WithUsage returns a copy of v's State with the usage of a reading.
func (v *Version) WithUsage(reading state.Reading) *state.State {
	s := *v.State
	s.Usage = usageBySlot(&s, reading)
	return &s
}

// synced reports whether the section has been listed at least once.
func (v *Version) synced(name state.SectionName) bool {
	status := v.SectionStatuses[name]
	return status.Live || !status.ObservedAt.IsZero()
}

// usageBySlot returns a reading with its samples by slot.
func usageBySlot(s *state.State, reading state.Reading) *state.Usage {
	u := &state.Usage{}
	for key, used := range reading {
		e, ok := s.Get(key)
		if !ok || !hasSlot(key.Kind) {
			continue
		}
		if missing := int(e.Slot) + 1 - len(u.BySlot); missing > 0 {
			u.BySlot = append(u.BySlot, make([]state.Used, missing)...)
		}
		u.BySlot[e.Slot] = used
	}
	return u
}
