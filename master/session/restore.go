package session

import (
	"cmp"
	"context"
	"time"
)

// prepare is the first step of a worker. It waits for its turn at a master's start, and loads the report that
// another process, or this one earlier, saved in the Store.
func (c *clusterState) prepare(ctx context.Context) {
	c.sessions.limits.Starts.Wait(ctx, c.wake, c.skipStartupDelay)
	var blocked, fresh bool
	var spec Cluster
	c.read(func() {
		spec = c.spec
		blocked, fresh = c.blockedReason() != "", c.followed != nil || c.report != nil && c.report.Fresh(time.Now())
	})
	if fresh || blocked || ctx.Err() != nil {
		return
	}
	defer c.commitReportSize()
	if stored, err := c.sessions.store.Load(ctx, c.name, spec.CacheTTL, c.hasWaiters); err == nil {
		c.restore(stored)
	}
}

// skipStartupDelay reports whether the cluster need not wait, because it has readers or must not be dialed.
func (c *clusterState) skipStartupDelay() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.demand.hasReaders() || time.Now().Before(c.demand.until) || time.Now().Before(c.demand.peersUntil) || c.blockedReason() != ""
}

// restoredReport returns a report of the Store. It keeps its version, since the process that wrote it showed it to readers
// after it was stored. restoredReport limits the times of the report to what a session with this spec can have. Anybody with write access to Redis could otherwise have a cluster dialed for years.
func restoredReport(stored *Report, spec Cluster, now time.Time) *Report {
	r := *stored
	r.Stored = true
	r.Session = Info{ID: r.Session.ID, Phase: Idle, StartedAt: earlier(r.Session.StartedAt, now), ExpiresAt: earlier(r.Session.ExpiresAt, now.Add(spec.SessionDuration))}
	r.DemandUntil = earlier(r.DemandUntil, now.Add(demandTTL(spec)))
	return &r
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// restore publishes a report of the Store. If it has expired, it is only the base of the next session. If
// this process had no report before, restore also takes over the report's demand.
func (c *clusterState) restore(stored *Report) {
	now := time.Now()
	var spec Cluster
	c.read(func() { spec = c.spec })
	r := restoredReport(stored, spec, now)
	if err := setState(r, nil, stored.LazyState, spec.Ignore, now); err != nil {
		c.sessions.config.Log.Warn("cannot read the report in the store; the next session starts with a complete snapshot", "cluster", c.name, "error", err)
		return
	}
	c.update(func() { c.restoreLocked(r, now) })
}

func (c *clusterState) restoreLocked(r *Report, now time.Time) {
	if !c.shouldRestore(r, now) {
		return
	}
	c.attempts.uid = r.UID
	if c.report == nil {
		c.demand.extendPeers(r.DemandUntil)
	}
	if c.demand.waiters == 0 {
		r.Evict()
	}
	if r.ObservedAt.Before(c.status.ObservedAt) { // there was a summary since
		c.report = r
		c.notifyReaders()
		return
	}
	c.publish(r)
}

// shouldRestore reports whether a report of the Store is of the expected cluster, and newer than the current report. A
// report of the same version is restored if the State of the current one was dropped and the stored one is fresh. c.mu
// must be held.
func (c *clusterState) shouldRestore(r *Report, now time.Time) bool {
	if expected := cmp.Or(c.spec.ExpectedUID, c.attempts.uid); expected != "" && expected != r.UID {
		return false
	}
	if c.report == nil {
		return true
	}
	order := r.Version().Compare(c.report.Version())
	return order > 0 || order == 0 && !c.report.HasState() && now.Before(r.ExpiresAt)
}
