package state

import "math"

// Group assigns slots to groups with the same sample time, so that times can be sent once per
// group. of returns the preferred group of a slot, numbered from 1, or 0 for none: a container is
// usually sampled together with its node. The time of a group is that of most of its slots. Slots
// with another time or without a preferred group are put into groups by age, numbered after the
// preferred ones. A sample whose age has no group number, hours older than the newest, is dropped.
// Group must be called once, before u is published.
func (u *Usage) Group(of func(slot int) uint16) {
	times, last := u.timesOf(of)
	var newest Time
	for _, used := range u.BySlot {
		newest = max(newest, used.SampledAt)
	}
	groups := make([]uint16, len(u.BySlot))
	for slot, used := range u.BySlot {
		if used.SampledAt == 0 {
			continue
		}
		if g := of(slot); g != 0 && times[g] == used.SampledAt {
			groups[slot] = g
			continue
		}
		g := int64(last) + 1 + int64(newest-used.SampledAt)
		// A peer may claim any time, so the difference may overflow.
		if g <= 0 || g > math.MaxUint16 {
			u.BySlot[slot] = Used{}
			continue
		}
		groups[slot] = uint16(g)
	}
	u.Groups = groups
}

// timesOf returns the sample time of each preferred group, and the highest group number. The time
// is that of most of its slots, the earlier one if two times are equally frequent.
func (u *Usage) timesOf(of func(slot int) uint16) (times map[uint16]Time, last uint16) {
	counts := map[uint16]map[Time]int{}
	for slot, used := range u.BySlot {
		g := of(slot)
		last = max(last, g)
		if g == 0 || used.SampledAt == 0 {
			continue
		}
		if counts[g] == nil {
			counts[g] = map[Time]int{}
		}
		counts[g][used.SampledAt]++
	}
	times = make(map[uint16]Time, len(counts))
	for g, byTime := range counts {
		for t, n := range byTime {
			if best, ok := times[g]; !ok || n > byTime[best] || n == byTime[best] && t < best {
				times[g] = t
			}
		}
	}
	return times, last
}
