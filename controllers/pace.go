package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace lets each object of a kind be written so often, and no more often, and all of them
// only at the turns that they share with other kinds. It is safe for concurrent use.
type pace struct {
	kind  string
	burst int
	every time.Duration
	turns *turns

	mu sync.Mutex
	// Under mu:
	limits map[string]*rate.Limiter
}

func newPace(kind string, burst int, turns *turns) *pace {
	return &pace{kind: kind, burst: burst, every: writeEvery, turns: turns, limits: map[string]*rate.Limiter{}}
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
	reserved := limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		wait = p.turns.wait(p.kind, name, now)
	}
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// waitForTurn is wait for an object that may be written as often as it has to be.
func (p *pace) waitForTurn(name string, now time.Time) time.Duration {
	return p.turns.wait(p.kind, name, now)
}

// pass gives back the turn of an object that is not to be written after all.
func (p *pace) pass(name string) { p.turns.pass(p.kind, name) }

// forget an object that is gone.
func (p *pace) forget(name string) {
	p.pass(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.limits, name)
}

// turns has all writes come one after another, so many a second, in the order in which
// they were asked for. It is safe for concurrent use.
type turns struct {
	every time.Duration

	mu sync.Mutex
	// Under mu: next is the first turn that nobody has, of are those that objects wait for.
	next time.Time
	of   map[object]time.Time
}

// object names one object of all kinds.
type object struct{ kind, name string }

func newTurns(every time.Duration) *turns { return &turns{every: every, of: map[object]time.Time{}} }

// wait is zero where it is an object's turn, which is over with that; else how long it is
// until its turn, which is kept for it.
func (t *turns) wait(kind, name string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := object{kind, name}
	turn, has := t.of[o]
	if !has {
		turn = now
		if t.next.After(now) {
			turn = t.next
		}
		t.next = turn.Add(t.every)
	}
	if turn.After(now) {
		t.of[o] = turn
		return turn.Sub(now)
	}
	delete(t.of, o)
	return 0
}

// pass gives a turn back. Nobody gets it in place of that object: it would take longer to
// find out who may than the turn lasts.
func (t *turns) pass(kind, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, object{kind, name})
}

// reporting counts the clusters that report, by which it depends how often each of them
// is written. It is safe for concurrent use.
type reporting struct {
	mu sync.Mutex
	// Under mu:
	clusters map[string]bool
}

// note takes in whether a cluster reports.
func (r *reporting) note(name string, reports bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !reports:
		delete(r.clusters, name)
	case r.clusters == nil:
		r.clusters = map[string]bool{name: true}
	default:
		r.clusters[name] = true
	}
}

// interval returns how old a stored summary may grow while newer ones come: all clusters
// that report are written once in it.
func (r *reporting) interval() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(writeEvery, time.Duration(len(r.clusters))*turnEvery)
}
