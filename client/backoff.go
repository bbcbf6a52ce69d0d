package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Bounds of the pauses before a watch comes again.
const (
	firstPause = 500 * time.Millisecond
	longPause  = 30 * time.Second
	// longestPause is the longest that a server's Retry-After is believed.
	longestPause = 5 * time.Minute
)

// backoff makes each pause about twice as long as the last.
type backoff struct{ ceiling time.Duration }

// next is how long to pause: at least as long as the server asked for, and scattered,
// so that all who were cut at once do not come at once.
func (b *backoff) next(asked time.Duration) time.Duration {
	b.ceiling = min(max(2*b.ceiling, firstPause), longPause)
	pause := b.ceiling/2 + rand.N(b.ceiling/2) //nolint:gosec // jitter
	if asked = min(asked, longestPause); pause < asked {
		pause = asked + rand.N(max(asked/8, time.Second)) //nolint:gosec // jitter
	}
	return pause
}

func (b *backoff) reset() { b.ceiling = 0 }

// pause waits, and says whether the context is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
