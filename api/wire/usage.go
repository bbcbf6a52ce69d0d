package wire

import (
	"math"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

// NewUsage returns next as differences to base, an earlier reading of the same epoch. It has
// absolute values if base is nil or if either reading has no groups. Memory is rounded down to
// KiB.
func NewUsage(next, base *state.Usage) *Usage {
	if next.Groups == nil || base == nil || base.Groups == nil {
		base = &state.Usage{}
	}
	if next.Groups == nil {
		grouped := *next
		grouped.BySlot = slices.Clone(next.BySlot)
		grouped.Group(func(int) uint16 { return 0 })
		next = &grouped
	}
	newest := newestSample(next)
	slots := max(len(next.BySlot), len(base.BySlot))
	pb := &wirepb.Usage{N: next.N, Base: base.N, Newest: int64(newest), Slots: uint32(len(next.BySlot))}
	pb.CpuMillis, pb.MemoryKib, pb.Group = make([]int64, slots), make([]int64, slots), make([]int64, slots)
	for slot := range slots {
		now, before := sampleAt(next, slot), sampleAt(base, slot)
		pb.CpuMillis[slot] = now.CPUMillis - before.CPUMillis
		pb.MemoryKib[slot] = now.MemoryBytes>>10 - before.MemoryBytes>>10
		group := columnar.At(next.Groups, slot)
		pb.Group[slot] = int64(group) - int64(columnar.At(base.Groups, slot))
		if group != 0 {
			pb.GroupAge = setAge(pb.GroupAge, group, uint64(newest-now.SampledAt))
		}
	}
	pb.CpuMillis, pb.MemoryKib, pb.Group = columnar.Trim(pb.CpuMillis), columnar.Trim(pb.MemoryKib), columnar.Trim(pb.Group)
	return &Usage{N: next.N, Base: base.N, columns: pb}
}

// setAge sets the age of a group; groups are numbered from 1.
func setAge(ages []uint64, group uint16, age uint64) []uint64 {
	if missing := int(group) - len(ages); missing > 0 {
		ages = append(ages, make([]uint64, missing)...)
	}
	ages[group-1] = age
	return ages
}

// apply returns the reading that m describes relative to base, which may be nil. The error wraps
// ErrResync.
func (m *Usage) apply(base *state.Usage) (*state.Usage, error) {
	pb := m.columns
	switch {
	case pb.Slots > MaxSlots || len(pb.CpuMillis) > MaxSlots || len(pb.MemoryKib) > MaxSlots || len(pb.Group) > MaxSlots:
		return nil, resync("usage has more than %d slots", MaxSlots)
	case m.Base == 0:
		base = &state.Usage{}
	case base == nil || base.N != m.Base:
		return nil, resync("usage differs from reading %d, which is not held", m.Base)
	}
	slots := m.slots(base)
	next := &state.Usage{N: m.N, BySlot: make([]state.Used, slots), Groups: make([]uint16, slots)}
	for slot := range next.BySlot {
		group := int64(columnar.At(base.Groups, slot)) + columnar.At(pb.Group, slot)
		switch {
		case group == 0:
			continue
		case group < 0 || group > int64(len(pb.GroupAge)) || group > math.MaxUint16:
			return nil, resync("sample has group %d, but there are %d groups", group, len(pb.GroupAge))
		}
		before := sampleAt(base, slot)
		next.Groups[slot] = uint16(group)
		next.BySlot[slot] = state.Used{
			CPUMillis:   before.CPUMillis + columnar.At(pb.CpuMillis, slot),
			MemoryBytes: (before.MemoryBytes>>10 + columnar.At(pb.MemoryKib, slot)) << 10,
			SampledAt:   state.Time(pb.Newest - int64(pb.GroupAge[group-1])),
		}
	}
	return next, nil
}

// slots returns the number of slots of the reading that m describes relative to base, which may be
// nil. It is at most the number of values, so that a claimed number alone allocates no memory.
func (m *Usage) slots(base *state.Usage) int64 {
	pb, before := m.columns, 0
	if base != nil && m.Base != 0 {
		before = len(base.BySlot)
	}
	return int64(min(int(pb.Slots), max(len(pb.CpuMillis), len(pb.MemoryKib), len(pb.Group), before)))
}

func newestSample(u *state.Usage) state.Time {
	var newest state.Time
	for _, s := range u.BySlot {
		newest = max(newest, s.SampledAt)
	}
	return newest
}

// sampleAt returns the sample of a slot, zero if there is none.
func sampleAt(u *state.Usage, slot int) state.Used {
	if slot >= len(u.BySlot) || u.BySlot[slot].SampledAt == 0 {
		return state.Used{}
	}
	return u.BySlot[slot]
}
