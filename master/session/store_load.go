package session

import (
	"context"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// startsPerSecond is how many clusters begin a second that nobody waits for, for each
// processor there is for that: when a master starts, all of them would at once.
const startupRate = 100

// prepare is the first step of a worker: when its startup slot is due, it loads the report that
// another process, or this one earlier, left in the Store.
func (w *worker) prepare(ctx context.Context) {
	w.waitStartup(ctx)
	w.mu.Lock()
	blockedReason, fresh := w.blockedReason(), w.report != nil && w.report.Fresh(time.Now())
	w.mu.Unlock()
	if fresh || blockedReason != "" || ctx.Err() != nil {
		return
	}
	defer w.holdReportSize()
	if e, err := w.loadFromStore(ctx); err == nil {
		// The process that wrote it may have shown its readers more than it had saved when
		// it was killed. Under a term of its own what is old comes behind that all the same.
		w.restore(e, w.sessions.nextTerm(ctx, w.name))
	}
}

// waitStartup waits until it is the cluster's turn, or somebody is there who would wait.
func (w *worker) waitStartup(ctx context.Context) {
	if w.skipStartupDelay() {
		return
	}
	reservation := w.sessions.startupLimiter.Reserve()
	timer := time.NewTimer(reservation.Delay())
	defer timer.Stop()
	for !w.skipStartupDelay() {
		select {
		case <-timer.C:
			return
		case <-w.wake:
		case <-ctx.Done():
			return
		}
	}
	reservation.Cancel()
}

// skipStartupDelay reports whether the cluster does not wait for its startup slot, because of
// a request or because there is nothing to do.
func (w *worker) skipStartupDelay() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiters > 0 || w.watchers > 0 || time.Now().Before(w.demandUntil) || w.blockedReason() != ""
}

func (w *worker) loadFromStore(ctx context.Context) (cache.Entry, error) {
	release, err := w.sessions.storeSlots.acquire(ctx, w.hasWaiters)
	if err != nil {
		return cache.Entry{}, err
	}
	defer release()
	w.mu.Lock()
	spec := w.spec
	w.mu.Unlock()
	timed, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	e, err := w.sessions.store.Load(timed, w.name, spec.CacheTTL)
	if err != nil {
		return e, err
	}
	return clampTimes(e, spec, time.Now()), nil
}

// clampTimes returns an Entry of the Store with times that a session of this spec can have
// left: who can write to Redis may otherwise have a cluster dialed for years.
func clampTimes(e cache.Entry, spec Cluster, now time.Time) cache.Entry {
	e.StartedAt = earlier(e.StartedAt, now)
	e.SessionExpiresAt = earlier(e.SessionExpiresAt, now.Add(spec.SessionDuration))
	e.DemandUntil = earlier(e.DemandUntil, now.Add(demandTTL(spec)))
	return e
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// restore takes over an entry of the Store: as the cached report, or if it has expired as the
// base of the next session. If this process had no report before, it also takes over the
// entry's demand.
func (w *worker) restore(e cache.Entry, term uint64) {
	now := time.Now()
	r := &Report{
		Cluster: w.name, UID: e.UID, KubernetesVersion: e.KubernetesVersion, AgentVersion: e.AgentVersion, Term: term,
		ReceivedAt: e.ReceivedAt, ExpiresAt: e.ExpiresAt, TTL: e.ExpiresAt.Sub(e.ReceivedAt), stored: true,
		Session: Info{ID: e.SessionID, Phase: Idle, StartedAt: e.StartedAt, ExpiresAt: e.SessionExpiresAt},
		size:    e.Size,
	}
	w.mu.Lock()
	ignore := w.spec.Ignore
	w.mu.Unlock()
	r.setState(e.State, nil, ignore, now)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.shouldRestore(e, now) {
		return
	}
	w.retained.uid = e.UID
	if w.report == nil && e.DemandUntil.After(w.demandUntil) {
		w.demandUntil = e.DemandUntil
	}
	if w.waiters == 0 {
		r.State = r.State.WithoutObjects()
	}
	if r.ObservedAt.Before(w.status.ObservedAt) { // a summary came later, by itself
		w.report = r
		w.notifyWaiters()
		return
	}
	w.publishLocked(r)
}

// shouldRestore reports whether an Entry is useful: it is of the expected cluster, and newer than the
// present report, or the same report that was dropped and is still fresh. w.mu must be held.
func (w *worker) shouldRestore(e cache.Entry, now time.Time) bool {
	if expected := w.expectedUID(); expected != "" && expected != e.UID {
		return false
	}
	if w.report == nil {
		return true
	}
	order := e.Version().Compare(w.report.version())
	return order > 0 || order == 0 && w.report.State == nil && now.Before(e.ExpiresAt)
}

// storeEntry returns the report as an entry of the Store.
func (r *Report) storeEntry(demandUntil time.Time) cache.Entry {
	return cache.Entry{
		Term: r.Term, State: r.State, Size: r.size, UID: r.UID, KubernetesVersion: r.KubernetesVersion, AgentVersion: r.AgentVersion,
		SessionID: r.Session.ID, StartedAt: r.Session.StartedAt, SessionExpiresAt: r.Session.ExpiresAt,
		ReceivedAt: r.ReceivedAt, ExpiresAt: r.ExpiresAt, DemandUntil: demandUntil,
	}
}
