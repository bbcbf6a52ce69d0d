package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// Limits of the delay before a watch reconnects.
const (
	minDelay = 500 * time.Millisecond
	maxDelay = 30 * time.Second
	// maxRetryAfter limits the delay that a server requests by Retry-After.
	maxRetryAfter = 5 * time.Minute
)

// backoff is an exponential backoff with jitter.
type backoff struct{ ceiling time.Duration }

// next returns the next delay: at least retryAfter, with jitter, so that clients that lost
// their connections together do not reconnect together.
func (b *backoff) next(retryAfter time.Duration) time.Duration {
	b.ceiling = min(max(2*b.ceiling, minDelay), maxDelay)
	delay := b.ceiling/2 + rand.N(b.ceiling/2) //nolint:gosec // jitter
	if retryAfter = min(retryAfter, maxRetryAfter); delay < retryAfter {
		delay = retryAfter + rand.N(max(retryAfter/8, time.Second)) //nolint:gosec // jitter
	}
	return delay
}

func (b *backoff) reset() { b.ceiling = 0 }

// sleep waits for d. It returns false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
