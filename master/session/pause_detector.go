package session

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// pauseTick is how often the detector runs.
	pauseTick = time.Second
	// minPause is the shortest delay that counts as a pause. Shorter ones are normal on a busy machine.
	minPause = time.Second
)

// pauseDetector detects times in which this process did not run: it was stopped (SIGSTOP, a frozen cgroup, a
// migrated virtual machine) or got no processor. Messages of agents were not read in these times, so they do
// not count as silence of the agent.
type pauseDetector struct {
	log *slog.Logger

	mu     sync.Mutex
	ticker *time.Ticker // nil before run
	// lastSeen is when this process last ran.
	lastSeen time.Time
	pauses
}

// pauses has the total of all pauses, the length of the last one, and its end.
type pauses struct {
	sum, last time.Duration
	lastEnd   time.Time
}

// run observes the time every pauseTick until the context ends.
func (p *pauseDetector) run(ctx context.Context) {
	p.mu.Lock()
	p.lastSeen, p.ticker = time.Now(), time.NewTicker(pauseTick)
	ticks := p.ticker
	p.mu.Unlock()
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			p.total(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// total returns the total of all pauses before now. The first call after a pause detects it.
func (p *pauseDetector) total(now time.Time) time.Duration {
	return p.observe(now).sum
}

// lastSince returns the length of the last pause if it ended after t, or else 0.
func (p *pauseDetector) lastSince(t, now time.Time) time.Duration {
	if p := p.observe(now); p.lastEnd.After(t) {
		return p.last
	}
	return 0
}

// observe records that this process runs now, logs a pause before, and returns all pauses.
func (p *pauseDetector) observe(now time.Time) pauses {
	detected, all := p.observeLocking(now)
	if detected {
		p.log.Warn("this process was paused: it was stopped, or its machine is overloaded; agents may have ended their sessions", "duration", all.last.Round(time.Millisecond))
	}
	return all
}

func (p *pauseDetector) observeLocking(now time.Time) (detected bool, all pauses) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastSeen.IsZero() || !now.After(p.lastSeen) {
		return false, p.pauses
	}
	pause := now.Sub(p.lastSeen) - pauseTick
	p.lastSeen = now
	if pause < minPause {
		return false, p.pauses
	}
	p.pauses = pauses{sum: p.sum + pause, last: pause, lastEnd: now}
	return true, p.pauses
}
