package session

import (
	"context"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// startsPerSecond is how many clusters begin a second that nobody waits for, for each
// processor there is for that: when a master starts, all of them would at once.
const startsPerSecond = 100

// prepare is the first step of a worker: when its startup slot is due, it loads the report that
// another process, or this one earlier, left in the Store.
func (w *worker) prepare(ctx context.Context) {
	w.awaitTurn(ctx)
	w.mu.Lock()
	blockedReason, held := w.blockedReason(), w.value != nil && w.value.Fresh(time.Now())
	w.mu.Unlock()
	if held || blockedReason != "" || ctx.Err() != nil {
		return
	}
	defer w.settle()
	if e, err := w.recall(ctx); err == nil {
		// The process that wrote it may have shown its readers more than it had saved when
		// it was killed. Under a term of its own what is old comes behind that all the same.
		w.adopt(e, w.sessions.nextTerm(ctx, w.name))
	}
}

// awaitTurn waits until it is the cluster's turn, or somebody is there who would wait.
func (w *worker) awaitTurn(ctx context.Context) {
	if w.skipsStartupDelay() {
		return
	}
	turn := w.sessions.turns.Reserve()
	timer := time.NewTimer(turn.Delay())
	defer timer.Stop()
	for !w.skipsStartupDelay() {
		select {
		case <-timer.C:
			return
		case <-w.stir:
		case <-ctx.Done():
			return
		}
	}
	turn.Cancel()
}

// skipsStartupDelay reports whether the cluster does not wait for its startup slot, because of
// a request or because there is nothing to do.
func (w *worker) skipsStartupDelay() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting > 0 || w.watches > 0 || time.Now().Before(w.demandUntil) || w.blockedReason() != ""
}

func (w *worker) recall(ctx context.Context) (cache.Entry, error) {
	leave, err := w.sessions.storeSlots.enter(ctx, w.awaited)
	if err != nil {
		return cache.Entry{}, err
	}
	defer leave()
	w.mu.Lock()
	spec := w.spec
	w.mu.Unlock()
	timed, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e, err := w.sessions.store.Load(timed, w.name, spec.CacheTTL)
	if err != nil {
		return e, err
	}
	return bounded(e, spec, time.Now()), nil
}

// bounded returns an Entry of the Store with times that a session of this spec can have
// left: who can write to Redis may otherwise have a cluster dialed for years.
func bounded(e cache.Entry, spec Cluster, now time.Time) cache.Entry {
	e.StartedAt = earlier(e.StartedAt, now)
	e.SessionEnds = earlier(e.SessionEnds, now.Add(spec.SessionDuration))
	e.DemandUntil = earlier(e.DemandUntil, now.Add(grace(spec)))
	return e
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// adopt takes over an entry of the Store: as the cached report, or if it has expired as the
// base of the next session. If this process had no report before, it also takes over the
// entry's demand.
func (w *worker) adopt(e cache.Entry, term uint64) {
	now := time.Now()
	v := &Report{
		Cluster: w.name, UID: e.UID, KubernetesVersion: e.KubernetesVersion, AgentVersion: e.AgentVersion, Term: term,
		ReceivedAt: e.ReceivedAt, ExpiresAt: e.ExpiresAt, TTL: e.ExpiresAt.Sub(e.ReceivedAt), stored: true,
		Session: Info{ID: e.SessionID, Phase: Idle, StartedAt: e.StartedAt, ExpiresAt: e.SessionEnds},
		size:    e.Size,
	}
	w.mu.Lock()
	ignore := w.spec.Ignore
	w.mu.Unlock()
	v.of(e.State, nil, ignore, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.lacks(e, now) {
		return
	}
	w.past.uid = e.UID
	if w.value == nil && e.DemandUntil.After(w.demandUntil) {
		w.demandUntil = e.DemandUntil
	}
	if w.waiting == 0 {
		v.State = v.State.WithoutObjects()
	}
	if v.ObservedAt.Before(w.told.ObservedAt) { // a summary came later, by itself
		w.value = v
		w.notifyWaiters()
		return
	}
	w.publishLocked(v)
}

// lacks reports whether an Entry is useful: it is of the expected cluster, and newer than the
// present report, or the same report that was dropped and is still fresh. w.mu must be held.
func (w *worker) lacks(e cache.Entry, now time.Time) bool {
	if expected := w.expected(); expected != "" && expected != e.UID {
		return false
	}
	if w.value == nil {
		return true
	}
	order := e.Version().Compare(w.value.version())
	return order > 0 || order == 0 && w.value.State == nil && now.Before(e.ExpiresAt)
}

// entry returns the report as an entry of the Store.
func (v *Report) entry(demandUntil time.Time) cache.Entry {
	return cache.Entry{
		Term: v.Term, State: v.State, Size: v.size, UID: v.UID, KubernetesVersion: v.KubernetesVersion, AgentVersion: v.AgentVersion,
		SessionID: v.Session.ID, StartedAt: v.Session.StartedAt, SessionEnds: v.Session.ExpiresAt,
		ReceivedAt: v.ReceivedAt, ExpiresAt: v.ExpiresAt, DemandUntil: demandUntil,
	}
}
