package main

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
)

func TestASmallHeapIsLeftAlone(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 6300, 1 << 20: 6300, 8 << 20: 700, 16 << 20: 300, 31 << 20: 106, 32 << 20: 100, 64 << 20: 100, 1 << 40: 100,
	} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes alive: %d %%, want %d", live, got, want)
		}
	}
}

// percent is what the collector is set to.
func percent() int {
	is := debug.SetGCPercent(goPercent)
	debug.SetGCPercent(is)
	return is
}

func TestTheCollectorFollowsWhatIsAlive(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(percent())
	leaveGarbage(t.Context())
	if got := percent(); got <= goPercent {
		t.Errorf("set to %d %% at first, want more than Go's own", got)
	}
	debug.SetGCPercent(goPercent)
	for percent() == goPercent {
		runtime.GC()
	}
}

func TestEachCollectionIsHeardOfUntilItSaysNo(t *testing.T) {
	var heard atomic.Int64
	over := make(chan struct{})
	afterEachCollection(func() bool {
		if heard.Add(1) < 3 {
			return true
		}
		close(over)
		return false
	})
	for heard.Load() < 3 {
		runtime.GC()
	}
	<-over
	for range 3 {
		runtime.GC()
	}
	if n := heard.Load(); n != 3 {
		t.Errorf("heard of %d collections, want 3", n)
	}
}

func TestGOGCWinsOverOurOwnRule(t *testing.T) {
	t.Setenv("GOGC", "77")
	before := percent()
	leaveGarbage(t.Context())
	if got := percent(); got != before {
		t.Errorf("set to %d %%, want %d left alone", got, before)
	}
}
