package session

import (
	"cmp"
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
)

// clusterState is the state of one cluster of the Registry. It exists while the Registry has the cluster; its
// worker runs only while there is something to do.
type clusterState struct {
	name     string
	sessions *Sessions
	// account reserves the memory of the cluster's State from the budget.
	account *budget.Account
	// wake has the capacity 1 and wakes the worker.
	wake chan struct{}

	// retained belongs to the worker. The next worker of the cluster continues with it.
	retained retainedState

	mu sync.Mutex // guards the fields below

	// The entry of the Registry.
	spec        Cluster
	specFailure *failure // says why spec cannot be dialed; nil if it can
	deleted     bool

	// Demand.
	demandUntil       time.Time
	lastRequest       time.Time // the time of the last request
	waiters, watchers int
	// summaryDue asks the worker to request a summary. A slot of the summaryScheduler is held until then.
	summaryDue bool

	// releaseErr asks the worker to release the cluster's memory, and says why. It is nil if the worker need
	// not.
	releaseErr error

	// The worker. running reports whether there is one, dirty whether something changed since its last
	// decision, and terminated whether no further one may start because the cluster was deleted.
	running, dirty, terminated bool

	// What readers see.
	report  *Report
	changed chan struct{} // closed and replaced when readers have to read again
	status  Status
	// lastFailure and backoffUntil are set in the phase Backoff.
	lastFailure  *failure
	backoffUntil time.Time
}

// retainedState is what one attempt leaves for the next.
type retainedState struct {
	// generation is the generation of the spec that failures, resyncs and refusedAt belong to.
	generation int64
	failures   int
	resyncs    resyncCounter
	// uid is the UID of the cluster whose agent answered first.
	uid string
	// usage identifies the last usage reading that event handlers received.
	usage usageReading
	// noBase reports whether the next session must start with a complete snapshot.
	noBase bool
	// refusedAt is when the cluster last exceeded its memory limit.
	refusedAt time.Time
	// resume is the session whose ID and start the next session takes over, if it has an ID.
	resume Info
}

func newClusterState(s *Sessions, name string) *clusterState {
	c := &clusterState{
		name: name, sessions: s, account: s.budget.Account(name), wake: make(chan struct{}, 1), changed: make(chan struct{}),
		status: Status{Cluster: name, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}},
	}
	c.account.OnEvict(c.requestRelease)
	return c
}

// demand reports whether there is demand, and returns when it ends. The time is zero if it does not end by
// itself. c.mu must be held.
func (c *clusterState) demand(now time.Time) (bool, time.Time) {
	if c.spec.Continuous || c.watchers > 0 || c.waiters > 0 {
		return true, time.Time{}
	}
	return now.Before(c.demandUntil), c.demandUntil
}

// hasDemand reports whether there is demand now.
func (c *clusterState) hasDemand() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	demand, _ := c.demand(time.Now())
	return demand
}

// hasWaiters reports whether a request waits for a report.
func (c *clusterState) hasWaiters() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiters > 0
}

// blockedReason returns why the cluster must not have a session, as an end reason, or "" if it may. c.mu must
// be held.
func (c *clusterState) blockedReason() string {
	switch {
	case c.deleted:
		return endDeleted
	case c.spec.Suspended:
		return endSuspended
	case c.specFailure != nil:
		return endInvalid
	}
	return ""
}

// expectedUID returns the UID of the cluster whose agent must answer, or "" if any may.
func (c *clusterState) expectedUID() string { return cmp.Or(c.spec.ExpectedUID, c.retained.uid) }

// wakeLocked wakes the worker, or starts one if none runs. c.mu must be held.
func (c *clusterState) wakeLocked() {
	c.dirty = true
	switch {
	case c.terminated:
		return
	case c.running:
		signal(c.wake)
		return
	}
	c.running = c.sessions.start(func(ctx context.Context) { newWorker(c).run(ctx) })
}

// startIfDirty starts a worker if something changed before Run was called.
func (c *clusterState) startIfDirty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty {
		c.wakeLocked()
	}
}

// tryExit reports whether the worker may end, because nothing has changed since its last decision or because
// the cluster was deleted. If it returns true, the worker counts as ended.
func (c *clusterState) tryExit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty && !c.deleted {
		return false
	}
	c.running, c.terminated = false, c.deleted
	return true
}

// requestSummary makes the worker request a summary, unless a session is open or wanted. The caller holds a
// slot of the summaryScheduler, which is released now or when the summary has come.
func (c *clusterState) requestSummary() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if demand, _ := c.demand(time.Now()); demand || c.blockedReason() != "" || c.status.Session.Phase != Idle || c.summaryDue {
		c.finishSummaryLocked()
		return
	}
	c.summaryDue = true
	c.wakeLocked()
}

// finishSummaryLocked releases the slot of the summaryScheduler, and schedules the next summary. c.mu must be
// held.
func (c *clusterState) finishSummaryLocked() {
	c.sessions.summaries.release()
	c.scheduleSummaryLocked()
}

// scheduleSummaryLocked schedules the next summary, or none if the cluster must not have any. c.mu must be
// held.
func (c *clusterState) scheduleSummaryLocked() {
	if c.spec.IdleRefresh <= 0 || c.blockedReason() != "" {
		c.sessions.summaries.cancel(c)
		return
	}
	c.sessions.summaries.schedule(c, nextSummaryTime(c.name, c.spec.IdleRefresh, time.Now()))
}

// updateStatus changes the status. If more than times has changed, it queues the cluster's name for Updates
// and wakes readers.
func (c *clusterState) updateStatus(change func(s *Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.updateStatusLocked(change)
}

func (c *clusterState) updateStatusLocked(change func(s *Status)) {
	before := c.status
	change(&c.status)
	if !c.status.equalIgnoringTimes(before) {
		c.sessions.updates.add(c.name)
		c.notifyWaiters()
	}
	c.logChange(before)
}

// logChange logs a cluster that became unreachable, or is so for another reason, and one that became
// reachable again. It does not log a suspension, which is intended.
func (c *clusterState) logChange(before Status) {
	now, log := c.status, c.sessions.log
	switch {
	case now.Ready == state.False && now.Reason != before.Reason && now.Reason != Suspended:
		log.Warn("cluster cannot be reached", "cluster", c.name, "reason", now.Reason, "message", now.Message)
	case now.Ready == state.True && before.Ready == state.False:
		log.Info("cluster can be reached again", "cluster", c.name)
	}
}

// notifyWaiters wakes all waiting readers. c.mu must be held.
func (c *clusterState) notifyWaiters() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// publish sets the present report, and wakes readers.
func (c *clusterState) publish(r *Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.publishLocked(r)
}

func (c *clusterState) publishLocked(r *Report) {
	c.report = r
	c.updateStatusLocked(func(s *Status) {
		s.setSummary(&r.Summary, r.ObservedAt, r.ReceivedAt)
		s.setStale(r.State.Sections, r.ReceivedAt, r.TTL)
		s.UID, s.AgentVersion, s.KubernetesVersion = r.UID, r.AgentVersion, r.KubernetesVersion
	})
	c.notifyWaiters()
}

// setStale records which sections were older than the TTL when a report was received.
func (s *Status) setStale(sections [state.NumSections]state.Section, received time.Time, ttl time.Duration) {
	for i, section := range sections {
		s.Stale[i] = staleSection(state.SectionName(i), section, received, ttl, s.Stale[i])
	}
}

// setSummary records a summary. It keeps the pointer of an equal one, so that Status values compare equal.
func (s *Status) setSummary(summary *state.Summary, observed, received time.Time) {
	if s.Summary == nil || !equalSummaries(s.Summary, summary) {
		s.Summary = summary
	}
	s.ObservedAt, s.ReceivedAt = observed, received
}
