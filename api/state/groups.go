package state

import "math"

// Group puts slots that were sampled together into groups. Of tells where a slot
// belongs, numbered from 1, 0 for nowhere: a container and its node are mostly sampled
// at the same time. A group is of one time only, that of most of its slots; the others,
// and those that belong nowhere, are in groups by how old they are, behind all that of
// names. A sample for which there is no number then, hours older than the newest, is
// none any more. It is called once, before u is published.
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
		// A report may claim any time, so that the difference overflows.
		if g <= 0 || g > math.MaxUint16 {
			u.BySlot[slot] = Used{}
			continue
		}
		groups[slot] = uint16(g)
	}
	u.Groups = groups
}

// timesOf is when each group was sampled, by most of its slots, of two times with as
// many the earlier; and the last group.
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
