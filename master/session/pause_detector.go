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
	// sum is the total of all pauses, last the length of the last one, and lastEnd its end.
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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observe(now)
	return p.sum
}

// lastSince returns the length of the last pause if it ended after t, or else 0.
func (p *pauseDetector) lastSince(t, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observe(now)
	if p.lastEnd.After(t) {
		return p.last
	}
	return 0
}

func (p *pauseDetector) observe(now time.Time) {
	if p.lastSeen.IsZero() || !now.After(p.lastSeen) {
		return
	}
	if pause := now.Sub(p.lastSeen) - pauseTick; pause >= minPause {
		p.sum, p.last, p.lastEnd = p.sum+pause, pause, now
		p.log.Warn("this process was paused: it was stopped, or its machine is overloaded; agents may have ended their sessions", "duration", pause.Round(time.Millisecond))
	}
	p.lastSeen = now
}
