package session

import (
	"cmp"
	"context"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// prepare is the first step of a worker. It waits for its turn at a master's start, and loads the report that
// another process, or this one earlier, saved in the Store.
func (c *clusterState) prepare(ctx context.Context) {
	c.sessions.limits.Starts.Wait(ctx, c.wake, c.skipStartupDelay)
	var blocked, fresh bool
	var spec Cluster
	c.read(func() {
		spec = c.spec
		blocked, fresh = c.blockedReason() != "", c.report != nil && c.report.Fresh(time.Now())
	})
	if fresh || blocked || ctx.Err() != nil {
		return
	}
	defer c.commitReportSize()
	if e, err := c.sessions.store.Load(ctx, c.name, spec.CacheTTL, c.hasWaiters); err == nil {
		// The process that wrote the entry may have shown later reports to its readers before it was killed.
		// With a new term this older report counts as newer than those.
		c.restore(clampTimes(e, spec, time.Now()), c.sessions.store.NextTerm(ctx, c.name))
	}
}

// skipStartupDelay reports whether the cluster need not wait, because it has readers or must not be dialed.
func (c *clusterState) skipStartupDelay() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.demand.hasReaders() || time.Now().Before(c.demand.until) || c.blockedReason() != ""
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
func (c *clusterState) restore(e cache.Entry, term uint64) {
	now := time.Now()
	r := &Report{
		Cluster: c.name, UID: e.UID, KubernetesVersion: e.KubernetesVersion, AgentVersion: e.AgentVersion, Term: term,
		ReceivedAt: e.ReceivedAt, ExpiresAt: e.ExpiresAt, TTL: e.ExpiresAt.Sub(e.ReceivedAt), Stored: true,
		Session: Info{ID: e.SessionID, Phase: Idle, StartedAt: e.StartedAt, ExpiresAt: e.SessionExpiresAt},
		Size:    e.Size,
	}
	var ignore []state.Ignore
	c.read(func() { ignore = c.spec.Ignore })
	setState(r, nil, e.State, ignore, now)
	c.update(func() { c.restoreLocked(e, r, now) })
}

func (c *clusterState) restoreLocked(e cache.Entry, r *Report, now time.Time) {
	if !c.shouldRestore(e, now) {
		return
	}
	c.attempts.uid = e.UID
	if c.report == nil {
		c.demand.extend(e.DemandUntil)
	}
	if c.demand.waiters == 0 {
		r.State = r.State.WithoutObjects()
	}
	if r.ObservedAt.Before(c.status.ObservedAt) { // there was a summary since
		c.report = r
		c.notifyReaders()
		return
	}
	c.publish(r)
}

// shouldRestore reports whether an entry is of the expected cluster, and newer than the current report. An
// entry of the same version is restored if the State of the current report was dropped and the entry is
// fresh. c.mu must be held.
func (c *clusterState) shouldRestore(e cache.Entry, now time.Time) bool {
	if expected := cmp.Or(c.spec.ExpectedUID, c.attempts.uid); expected != "" && expected != e.UID {
		return false
	}
	if c.report == nil {
		return true
	}
	order := e.Version().Compare(c.report.Version())
	return order > 0 || order == 0 && c.report.State == nil && now.Before(e.ExpiresAt)
}

// storeEntry returns the report as an entry of the Store.
func storeEntry(r *Report, demandUntil time.Time) cache.Entry {
	return cache.Entry{
		Term: r.Term, State: r.State, Size: r.Size, UID: r.UID, KubernetesVersion: r.KubernetesVersion, AgentVersion: r.AgentVersion,
		SessionID: r.Session.ID, StartedAt: r.Session.StartedAt, SessionExpiresAt: r.Session.ExpiresAt,
		ReceivedAt: r.ReceivedAt, ExpiresAt: r.ExpiresAt, DemandUntil: demandUntil,
	}
}
