package state

import (
	"slices"
	"testing"
)

func TestGroupIsOfOneTimeOnly(t *testing.T) {
	// slot             0  1  2  3  4  5  6
	nodes := []uint16{2, 2, 5, 2, 0, 5, 2}
	times := []Time{90, 90, 95, 88, 95, 0, 90}
	u := &Usage{BySlot: make([]Used, len(times))}
	for slot, at := range times {
		u.BySlot[slot].SampledAt = at
	}
	u.Group(func(slot int) uint16 { return nodes[slot] })
	// Behind group 5 the others are by age: 6 is the newest, 13 is 7 s older.
	if want := []uint16{2, 2, 5, 13, 6, 0, 2}; !slices.Equal(u.Groups, want) {
		t.Errorf("groups are %v, want %v", u.Groups, want)
	}
}

func TestSampleOfLongAgoIsNone(t *testing.T) {
	u := &Usage{BySlot: []Used{{SampledAt: 1}, {SampledAt: 1 << 17}}}
	if u.Group(func(int) uint16 { return 0 }); u.BySlot[0] != (Used{}) || !slices.Equal(u.Groups, []uint16{0, 1}) {
		t.Errorf("%v grouped as %v", u.BySlot, u.Groups)
	}
}
