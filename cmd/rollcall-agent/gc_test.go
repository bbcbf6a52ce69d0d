package main

import (
	"runtime/debug"
	"slices"
	"testing"
)

// percents returns the values of GOGC at the start, after the first lists, while two snapshots are encoded,
// and after each of them.
func percents(t *testing.T) (values []int) {
	t.Helper()
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	record := func() {
		percent := debug.SetGCPercent(77)
		debug.SetGCPercent(percent)
		values = append(values, percent)
	}
	c := tuneGC()
	record()
	c.Synced()
	record()
	first, second := c.Encoding(), c.Encoding()
	record()
	first()
	record()
	second()
	record()
	return values
}

func TestGCPercentFollowsWork(t *testing.T) {
	t.Setenv("GOGC", "")
	want := []int{gcPercentStarting, gcPercentSynced, gcPercentEncoding, gcPercentEncoding, gcPercentSynced}
	if got := percents(t); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGOGCOverridesTuning(t *testing.T) {
	t.Setenv("GOGC", "77")
	if got, want := percents(t), []int{77, 77, 77, 77, 77}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
