package wire

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// NewUsage is next as differences to base, which is nil or an earlier reading of the
// same epoch. Memory is cut to whole KiB.
func NewUsage(next, base *state.Usage) *Usage {
	u := &Usage{N: next.N}
	if base != nil {
		u.Base = base.N
	} else {
		base = &state.Usage{}
	}
	newest := newestSample(next)
	slots := max(len(next.BySlot), len(base.BySlot))
	pb := &wirepb.Usage{N: u.N, Base: u.Base, Newest: int64(newest), Slots: uint32(len(next.BySlot))}
	pb.CpuMillis, pb.MemoryKib, pb.Age = make([]int64, slots), make([]int64, slots), make([]int64, slots)
	baseNewest := newestSample(base)
	for slot := range slots {
		now, before := sampleAt(next, slot), sampleAt(base, slot)
		pb.CpuMillis[slot] = now.CPUMillis - before.CPUMillis
		pb.MemoryKib[slot] = now.MemoryBytes>>10 - before.MemoryBytes>>10
		pb.Age[slot] = sampleAge(now, newest) - sampleAge(before, baseNewest)
	}
	pb.CpuMillis, pb.MemoryKib, pb.Age = trim(pb.CpuMillis), trim(pb.MemoryKib), trim(pb.Age)
	u.columns = pb
	return u
}

// after is the reading that m leads to from base, nil for none.
func (m *Usage) after(base *state.Usage) (*state.Usage, error) {
	pb := m.columns
	switch {
	case pb.Slots > MaxSlots || len(pb.CpuMillis) > MaxSlots || len(pb.MemoryKib) > MaxSlots || len(pb.Age) > MaxSlots:
		return nil, resync("usage of more than %d slots", MaxSlots)
	case m.Base == 0:
		base = &state.Usage{}
	case base == nil || base.N != m.Base:
		return nil, resync("usage differs from reading %d, which is not held", m.Base)
	}
	// No more slots than there can be samples in: what a peer claims takes no memory.
	slots := min(int(pb.Slots), max(len(pb.CpuMillis), len(pb.MemoryKib), len(pb.Age), len(base.BySlot)))
	next := &state.Usage{N: m.N, BySlot: make([]state.Used, slots)}
	baseNewest := newestSample(base)
	for slot := range next.BySlot {
		before := sampleAt(base, slot)
		age := sampleAge(before, baseNewest) + at(pb.Age, slot)
		if age <= 0 {
			continue
		}
		next.BySlot[slot] = state.Used{
			CPUMillis:   before.CPUMillis + at(pb.CpuMillis, slot),
			MemoryBytes: (before.MemoryBytes>>10 + at(pb.MemoryKib, slot)) << 10,
			SampledAt:   state.Time(pb.Newest - (age - 1)),
		}
	}
	return next, nil
}

func newestSample(u *state.Usage) state.Time {
	var newest state.Time
	for _, s := range u.BySlot {
		newest = max(newest, s.SampledAt)
	}
	return newest
}

// sampleAt is all zero where nothing is known.
func sampleAt(u *state.Usage, slot int) state.Used {
	if slot >= len(u.BySlot) || u.BySlot[slot].SampledAt == 0 {
		return state.Used{}
	}
	return u.BySlot[slot]
}

// sampleAge is 0 where nothing is known, else one more than the seconds by which
// the sample is older than the newest.
func sampleAge(s state.Used, newest state.Time) int64 {
	if s.SampledAt == 0 {
		return 0
	}
	return int64(newest-s.SampledAt) + 1
}

func at(column []int64, slot int) int64 {
	if slot < len(column) {
		return column[slot]
	}
	return 0
}

// trim cuts the zeros off a column's end.
func trim(column []int64) []int64 {
	end := len(column)
	for end > 0 && column[end-1] == 0 {
		end--
	}
	return slices.Clip(column[:end])
}
