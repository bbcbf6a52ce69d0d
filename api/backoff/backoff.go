// Package backoff has the delays between the attempts of one caller: exponential, limited, and random, so that callers
// that failed together do not try again together.
//
// Code that passes a back-off to client-go uses wait.Backoff of k8s.io/apimachinery instead. The client, the sessions
// and the sinks do not depend on Kubernetes.
package backoff

import (
	"context"
	"time"
)

// Backoff is the delay before an attempt that follows a failure.
type Backoff struct {
	// Min is the delay after the first failure. Each further failure doubles it, up to Max.
	Min, Max time.Duration
	// Jitter is the part of the delay that is random, from 0 to 1.
	Jitter float64
}

// Delay returns the delay after a number of consecutive failures, which is at least 1. random is a random number from
// 0 up to 1.
func (b Backoff) Delay(failures int, random float64) time.Duration {
	delay := b.Min
	for i := 1; i < failures && delay < b.Max; i++ {
		delay *= 2
	}
	return time.Duration(float64(min(delay, b.Max)) * (1 - b.Jitter*(1-random)))
}

// Sleep waits for d. It returns false if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
