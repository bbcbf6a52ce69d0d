package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// releaseInterval is the time between two checks of the memory footprint.
	releaseInterval = 10 * time.Second
	// minRelease is by how many bytes the process must have grown before memory is returned. For
	// less, a collection and its page faults cost more than they save.
	minRelease = 8 << 20
	// reuseTime is how long returned memory must stay unused at the current rate of allocation.
	// So under steady load, memory is returned at most once per reuseTime.
	reuseTime = time.Minute
)

// footprint has the memory that the Go runtime has from the operating system, and the total that
// was allocated since the start, in bytes.
type footprint struct{ held, allocated uint64 }

// releaser decides when memory is returned to the operating system. After a burst of connections,
// their memory is garbage. In a process that is idle afterwards, no collection finds it (see
// tuneGC), and the runtime returns little of it.
type releaser struct {
	// floor is the least memory that was held since memory was last returned.
	floor uint64
	last  footprint
}

// shouldRelease reports whether memory should be returned. It is called once per releaseInterval.
func (r *releaser) shouldRelease(now footprint) bool {
	allocated := now.allocated - r.last.allocated
	r.last = now
	r.floor = min(r.floor, now.held)
	growth := now.held - r.floor
	return growth >= minRelease && allocated*uint64(reuseTime/releaseInterval) <= growth
}

// released resets the floor after memory was returned.
func (r *releaser) released(now footprint) { r.last, r.floor = now, now.held }

// releaseMemory returns memory to the operating system when the process has grown and is idle
// again, until ctx ends. Measured with 7 MB in use and a burst of 192 MB, of which nothing is used
// afterwards: the process holds 44 MB within 30 s. Without releaseMemory it still holds 234 MB four
// minutes later, with or without tuneGC, although Go collects every two minutes.
func releaseMemory(ctx context.Context) {
	var r releaser
	ticker := time.NewTicker(releaseInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if r.shouldRelease(readFootprint()) {
			// The first collection does not free objects in a sync.Pool, such as net/http's buffers.
			runtime.GC()
			debug.FreeOSMemory()
			r.released(readFootprint())
		}
	}
}

func readFootprint() footprint {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	return footprint{held: samples[0].Value.Uint64() - samples[1].Value.Uint64(), allocated: samples[2].Value.Uint64()}
}
