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
	// mostPercent has the first collection come at minHeap: Go's own would come at 4 MiB,
	// times the percentage.
	mostPercent = minHeap / (4 << 20) * 100
)

// leaveGarbage has the collector leave alone what garbage a small heap has, until ctx ends
// and unless GOGC says otherwise. A GOMEMLIMIT holds beside it, as ever.
func leaveGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	is := percentFor(alive())
	debug.SetGCPercent(is)
	afterEachCollection(func() bool {
		if ctx.Err() != nil {
			return false
		}
		// To set it stops all goroutines for a moment.
		if should := percentFor(alive()); should != is {
			is = should
			debug.SetGCPercent(is)
		}
		return true
	})
}

// memory is what the last collection went through, in bytes: what of the heap is alive,
// and what else there was to look at, stacks and globals.
type memory struct{ heap, others uint64 }

// percentFor is how much garbage there may be for all that was gone through, in percent.
func percentFor(m memory) int {
	if m.heap >= minHeap {
		return goPercent
	}
	percent := (minHeap - m.heap) * 100 / max(m.heap+m.others, 1)
	return int(min(max(percent, goPercent), mostPercent))
}

func alive() memory {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return memory{samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()}
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
