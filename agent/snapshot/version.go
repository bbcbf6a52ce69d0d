package snapshot

import (
	"sort"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// Version is the state at one seq with all that a session needs to send it. It is
// never mutated.
type Version struct {
	State *state.State
	// Hash is that of State's objects.
	Hash wire.Hash
	// Removed are the latest removals, seq ascending. A key that came back may be
	// among them, and one that came and went several times may be more than once.
	Removed []Tombstone
	// Floor is the seq of the latest removal that was forgotten: a state before it
	// can not be brought up to date by a Delta.
	Floor uint64
	// Before is the reading of usage before State's: a master whose connection was cut
	// for a moment goes on from it.
	Before *state.Usage
	// Reports are what the sections' sources say. ObservedAt in State.Sections is
	// not kept up to date: see Ages.
	Reports [state.NumSections]state.SectionReport
}

// Tombstone remembers a removal.
type Tombstone struct {
	Key state.Key
	Seq uint64
	// slot is not given to another object before the tombstone is dropped.
	slot uint32
}

// DeltaSince leads from the state at an earlier seq of this epoch to v. It is not
// ok if too many objects have been removed since, or the seq never was.
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

// Reading is the reading of usage with a number, if it is one of the last two.
func (v *Version) Reading(n uint64) *state.Usage {
	for _, u := range []*state.Usage{v.State.Usage, v.Before} {
		if u != nil && u.N == n {
			return u
		}
	}
	return nil
}

// removedSince are the keys that went after seq and have not come back, once each.
func (v *Version) removedSince(seq uint64) []state.Key {
	var keys []state.Key
	seen := map[state.Key]bool{}
	first := sort.Search(len(v.Removed), func(i int) bool { return v.Removed[i].Seq > seq })
	for _, t := range v.Removed[first:] {
		if _, back := v.State.Get(t.Key); back || seen[t.Key] {
			continue
		}
		seen[t.Key] = true
		keys = append(keys, t.Key)
	}
	return keys
}

// Ages are how long before now each section was last known to be true; negative:
// never.
func (v *Version) Ages(now time.Time) [state.NumSections]time.Duration {
	var ages [state.NumSections]time.Duration
	for i, r := range v.Reports {
		ages[i] = -1
		if at := r.At(now).ObservedAt; !at.IsZero() {
			ages[i] = max(now.Sub(at), 0)
		}
	}
	return ages
}

// Errors are what keeps each section from being fresh.
func (v *Version) Errors() [state.NumSections]state.SectionError {
	var errors [state.NumSections]state.SectionError
	for i, r := range v.Reports {
		errors[i] = r.Error
	}
	return errors
}

// WithUsage is v's state with another reading, for one answer only.
func (v *Version) WithUsage(sample state.Sample) *state.State {
	s := *v.State
	s.Usage = columns(&s, sample)
	return &s
}

// synced says that a section has been read at least once.
func (v *Version) synced(name state.SectionName) bool {
	r := v.Reports[name]
	return r.Live || !r.ObservedAt.IsZero()
}

// columns are a reading by slot.
func columns(s *state.State, sample state.Sample) *state.Usage {
	u := &state.Usage{}
	for key, used := range sample {
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
