package agent

import (
	"context"
	"runtime/debug"
	"time"
)

// calm is for how long nothing is given back after a snapshot was sent: whoever waits
// for it, and for what follows, goes first.
const calm = 2 * time.Second

// giveBack returns to the operating system what took memory only for a moment: reading
// the cluster for the first time, and sending all of it. The runtime would do so too,
// in minutes.
func (a *agent) giveBack(ctx context.Context) error {
	ready := a.snapshot.Ready()
	var after <-chan time.Time
	for {
		select {
		case <-ready:
			ready = nil
			if a.cfg.Settled != nil {
				a.cfg.Settled()
			}
			debug.FreeOSMemory()
		case <-a.spent:
			after = time.After(calm)
		case <-after:
			debug.FreeOSMemory()
		case <-ctx.Done():
			return nil
		}
	}
}

// snapshotSent notifies giveBack without blocking.
func (a *agent) snapshotSent() {
	select {
	case a.spent <- struct{}{}:
	default:
	}
}
