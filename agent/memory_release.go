package agent

import (
	"context"
	"runtime/debug"
	"time"
)

// memoryReleaseDelay is the time from the last sent snapshot until its memory is released. Releasing it earlier would
// delay the sessions.
const memoryReleaseDelay = 2 * time.Second

// runMemoryReleaser returns memory to the operating system after the first lists were read, and after snapshots were
// sent. Both need much memory for a short time. The Go runtime would take minutes to return it.
func (a *agent) runMemoryReleaser(ctx context.Context) error {
	ready := a.store.Ready()
	var release <-chan time.Time
	for {
		select {
		case <-ready:
			ready = nil
			if a.cfg.OnSynced != nil {
				a.cfg.OnSynced()
			}
			debug.FreeOSMemory()
		case <-a.freeMemory:
			release = time.After(memoryReleaseDelay)
		case <-release:
			debug.FreeOSMemory()
		case <-ctx.Done():
			return nil
		}
	}
}

// requestMemoryRelease notifies runMemoryReleaser without blocking.
func (a *agent) requestMemoryRelease() {
	select {
	case a.freeMemory <- struct{}{}:
	default:
	}
}
