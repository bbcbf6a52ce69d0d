package main

import (
	"runtime/debug"
	"slices"
	"testing"
)

// percents are what the collector is set to at the start, when the agent has settled,
// while it encodes two snapshots, and after each of them.
func percents(t *testing.T) (seen []int) {
	t.Helper()
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	look := func() {
		percent := debug.SetGCPercent(77)
		debug.SetGCPercent(percent)
		seen = append(seen, percent)
	}
	c := saveMemory()
	look()
	c.Settled()
	look()
	first, second := c.Encoding(), c.Encoding()
	look()
	first()
	look()
	second()
	look()
	return seen
}

func TestTheCollectorFollowsTheAgentsWork(t *testing.T) {
	t.Setenv("GOGC", "")
	want := []int{gcPercent, gcPercentSettled, gcPercentEncoding, gcPercentEncoding, gcPercentSettled}
	if got := percents(t); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGOGCWinsOverOurOwnSetting(t *testing.T) {
	t.Setenv("GOGC", "77")
	if got, want := percents(t), []int{77, 77, 77, 77, 77}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
