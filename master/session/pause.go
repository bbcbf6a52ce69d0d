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

// pauses notes when this process did not run: it was stopped (SIGSTOP, a frozen control
// group, a virtual machine that was moved), or got no processor. What an agent sent
// meanwhile has not been read, so that its silence then is this process's own.
type pauses struct {
	log *slog.Logger

	mu     sync.Mutex
	ticker *time.Ticker // nil before run
	// seen is when this process was last seen to run.
	seen time.Time
	// total is of all pauses together, last is the length of the last one, ended its end.
	total, last time.Duration
	ended       time.Time
}

// run notes that this process runs until the context ends.
func (p *pauses) run(ctx context.Context) {
	p.mu.Lock()
	p.seen, p.ticker = time.Now(), time.NewTicker(pauseTick)
	ticks := p.ticker
	p.mu.Unlock()
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			p.until(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// until returns how long all pauses up to now took together. The first caller after a
// pause finds it.
func (p *pauses) until(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notice(now)
	return p.total
}

// after returns the length of the last pause, if it ended after a time; else 0.
func (p *pauses) after(t, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notice(now)
	if p.ended.After(t) {
		return p.last
	}
	return 0
}

func (p *pauses) notice(now time.Time) {
	if p.seen.IsZero() || !now.After(p.seen) {
		return
	}
	if pause := now.Sub(p.seen) - pauseTick; pause >= minPause {
		p.total, p.last, p.ended = p.total+pause, pause, now
		p.log.Warn("this master did not run for a while: it was stopped, or its machine is too busy; agents may have ended their sessions meanwhile", "for", pause.Round(time.Millisecond))
	}
	p.seen = now
}
