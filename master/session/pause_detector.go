package session

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// pauseTick is how often this process notes that it runs.
	pauseTick = time.Second
	// minPause is the shortest time that counts as a pause: less is a busy machine.
	minPause = time.Second
)

// pauseDetector notes when this process did not run: it was stopped (SIGSTOP, a frozen control
// group, a virtual machine that was moved), or got no processor. What an agent sent
// meanwhile has not been read, so that its silence then is this process's own.
type pauseDetector struct {
	log *slog.Logger

	mu     sync.Mutex
	ticker *time.Ticker // nil before run
	// seen is when this process was last seen to run.
	lastSeen time.Time
	// total is of all pauses together, last is the length of the last one, ended its end.
	sum, last time.Duration
	lastEnd   time.Time
}

// run notes that this process runs until the context ends.
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

// total returns how long all pauses up to now took together. The first caller after a
// pause finds it.
func (p *pauseDetector) total(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.observe(now)
	return p.sum
}

// lastSince returns the length of the last pause, if it ended after a time; else 0.
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
		p.log.Warn("this master did not run for a while: it was stopped, or its machine is too busy; agents may have ended their sessions meanwhile", "for", pause.Round(time.Millisecond))
	}
	p.lastSeen = now
}
