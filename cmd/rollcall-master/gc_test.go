package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

func TestPercentFor(t *testing.T) {
	for m, want := range map[memory]int{
		{}: 1600, {heap: 1 << 20}: 1600, {heap: 8 << 20}: 700, {heap: 16 << 20}: 300, {heap: 31 << 20}: 106, {heap: 32 << 20}: 100, {heap: 64 << 20}: 100, {heap: 1 << 40}: 100,
		{heap: 8 << 20, roots: 6 << 20}: 400, {heap: 8 << 20, roots: 80 << 20}: 100, {roots: 1 << 20}: 1600,
	} {
		if got := percentFor(m); got != want {
			t.Errorf("%+v: %d %%, want %d", m, got, want)
		}
	}
}

// percent returns the current value of GOGC.
func percent() int {
	is := debug.SetGCPercent(defaultPercent)
	debug.SetGCPercent(is)
	return is
}

func TestGCPercentFollowsLiveHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(percent())
	tuneGC(t.Context())
	if got := percent(); got <= defaultPercent {
		t.Errorf("set to %d %% at first, want more than Go's own", got)
	}
	held := make([]byte, minHeap)
	for percent() != defaultPercent {
		runtime.GC()
	}
	runtime.KeepAlive(held)
	for percent() == defaultPercent {
		runtime.GC()
	}
}

func TestAfterEachCollection(t *testing.T) {
	var calls atomic.Int64
	over := make(chan struct{})
	afterEachCollection(func() bool {
		if calls.Add(1) < 3 {
			return true
		}
		close(over)
		return false
	})
	for calls.Load() < 3 {
		runtime.GC()
	}
	<-over
	for range 3 {
		runtime.GC()
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("got %d calls after collections, want 3", n)
	}
}

func TestGOGCOverridesTuning(t *testing.T) {
	t.Setenv("GOGC", "77")
	before := percent()
	tuneGC(t.Context())
	if got := percent(); got != before {
		t.Errorf("set to %d %%, want %d left alone", got, before)
	}
}
