package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace lets each object be written so often, and no more often. It is safe for
// concurrent use.
type pace struct {
	burst int
	every time.Duration

	mu sync.Mutex
	// Under mu:
	limits map[string]*rate.Limiter
}

func newPace(burst int) *pace {
	return &pace{burst: burst, every: writeEvery, limits: map[string]*rate.Limiter{}}
}

// wait is zero where an object may be written now, which counts as done; else how
// long it has to wait.
func (p *pace) wait(name string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.limits[name]
	if limit == nil {
		limit = rate.NewLimiter(rate.Every(p.every), p.burst)
		p.limits[name] = limit
	}
	turn := limit.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait > 0 {
		turn.CancelAt(now)
	}
	return wait
}

// forget an object that is gone.
func (p *pace) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.limits, name)
}
