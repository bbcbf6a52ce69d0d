package admission

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// Limiter limits how many clusters start per second.
type Limiter struct{ limiter *rate.Limiter }

func newLimiter(perSecond, burst int) *Limiter {
	return &Limiter{rate.NewLimiter(rate.Limit(perSecond), burst)}
}

// PerSecond returns the limit.
func (l *Limiter) PerSecond() int { return int(l.limiter.Limit()) }

// Wait returns when the rate admits one more cluster, when skip returns true, or when the context ends. It
// calls skip again after each receive from wake.
func (l *Limiter) Wait(ctx context.Context, wake <-chan struct{}, skip func() bool) {
	if skip() {
		return
	}
	reservation := l.limiter.Reserve()
	timer := time.NewTimer(reservation.Delay())
	defer timer.Stop()
	for !skip() {
		select {
		case <-timer.C:
			return
		case <-wake:
		case <-ctx.Done():
			return
		}
	}
	reservation.Cancel()
}
