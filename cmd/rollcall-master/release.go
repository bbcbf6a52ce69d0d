package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// releaseInterval is the time between two looks at what the process holds.
	releaseInterval = 10 * time.Second
	// minRelease is by how many bytes the process has grown, at least, before memory is
	// returned. A collection and its page faults cost more than less of it is worth.
	minRelease = 8 << 20
	// reuseTime is for how long memory is not needed again, at the present rate of
	// allocation, if it is returned. So a steady load has memory returned once in reuseTime
	// at most, and a load that needs the memory never has.
	reuseTime = time.Minute
)

// footprint is what a process holds of the system's memory by way of Go, and how much it
// has allocated since it began, in bytes.
type footprint struct{ held, allocated uint64 }

// releaser decides when memory is returned to the operating system. After a burst of
// connections, what they needed is garbage; in a process that does little then, no
// collection finds it (see leaveGarbage), and the runtime returns little of it.
type releaser struct {
	// floor is the least that was held since memory was returned.
	floor uint64
	last  footprint
}

// shouldRelease reports whether memory is to be returned now. It is called once each
// releaseInterval.
func (r *releaser) shouldRelease(now footprint) bool {
	allocated := now.allocated - r.last.allocated
	r.last = now
	r.floor = min(r.floor, now.held)
	growth := now.held - r.floor
	return growth >= minRelease && allocated*uint64(reuseTime/releaseInterval) <= growth
}

// released has later growth counted from what is held now.
func (r *releaser) released(now footprint) { r.last, r.floor = now, now.held }

// releaseMemory returns memory to the operating system whenever the process has grown and
// then does little, until ctx is done.
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
			// The first collection leaves what is in a sync.Pool, such as net/http's buffers.
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
