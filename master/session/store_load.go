package session

import (
	"context"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// startupRate is how many clusters without requests start per second, for each slot of Sessions.cpuSlots.
// Otherwise all would start at once when the master starts.
const startupRate = 100

// prepare is the first step of a worker. It waits for its turn at a master's start, and loads the report that
// another process, or this one earlier, saved in the Store.
func (w *worker) prepare(ctx context.Context) {
	w.waitStartup(ctx)
	w.mu.Lock()
	blockedReason, fresh := w.blockedReason(), w.report != nil && w.report.Fresh(time.Now())
	w.mu.Unlock()
	if fresh || blockedReason != "" || ctx.Err() != nil {
		return
	}
	defer w.commitReportSize()
	if e, err := w.loadFromStore(ctx); err == nil {
		// The process that wrote the entry may have shown later reports to its readers before it was killed.
		// With a new term this older report counts as newer than those.
		w.restore(e, w.sessions.nextTerm(ctx, w.name))
	}
}

// waitStartup waits until the startupLimiter admits the cluster, or until skipStartupDelay is true.
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

// skipStartupDelay reports whether the cluster need not wait, because it has readers or must not be dialed.
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

// clampTimes limits the times of an entry to what a session with this spec can have. Anybody with write
// access to Redis could otherwise have a cluster dialed for years.
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

// restore publishes an entry of the Store. If it has expired, it is only the base of the next session. If
// this process had no report before, restore also takes over the entry's demand.
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
	if r.ObservedAt.Before(w.status.ObservedAt) { // there was a summary since
		w.report = r
		w.notifyWaiters()
		return
	}
	w.publishLocked(r)
}

// shouldRestore reports whether an entry is of the expected cluster, and newer than the present report. An
// entry of the same version is restored if the State of the present report was dropped and the entry is
// fresh. w.mu must be held.
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
