package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// minHeap is how large the heap grows, garbage included, before any of it is
	// collected. By Go's own rule a master of a few clusters, of which seven megabytes are
	// alive, collects ten times a second while many read, and they wait for it.
	minHeap = 64 << 20
	// goPercent is Go's own rule: as much garbage as there is alive.
	goPercent = 100
)

// leaveGarbage has the collector leave alone what garbage a small heap has, until ctx ends
// and unless GOGC says otherwise. A GOMEMLIMIT holds beside it, as ever.
func leaveGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(percentFor(liveHeap()))
	afterEachCollection(func() bool {
		if ctx.Err() != nil {
			return false
		}
		debug.SetGCPercent(percentFor(liveHeap()))
		return true
	})
}

// percentFor is how much garbage there may be for all that is alive, in percent of it.
func percentFor(live uint64) int {
	const least = 1 << 20
	live = max(live, least)
	if 2*live >= minHeap {
		return goPercent
	}
	return int((minHeap - live) * 100 / live)
}

// liveHeap is how many bytes the last collection found alive; 0: there was none.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// afterEachCollection calls f after each collection from now on, until it says no.
func afterEachCollection(f func() bool) {
	// What has a pointer is not put together with others, and so goes with the next
	// collection.
	type mark struct{ _ *mark }
	runtime.AddCleanup(new(mark), func(f func() bool) {
		if f() {
			afterEachCollection(f)
		}
	}, f)
}
