package session

import (
	"cmp"
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
)

// clusterState is one cluster of the Registry: what is wanted of it, and what is known.
type clusterState struct {
	name     string
	sessions *Sessions
	// account is what the cluster's state takes of the memory of all.
	account *budget.Account
	// stir wakes the goroutine.
	wake chan struct{}

	// past is the goroutine's alone; it outlives it for the next.
	retained retainedState

	mu sync.Mutex // guards all below

	// Of the Registry.
	spec        Cluster
	specFailure *failure // why spec cannot be dialed
	deleted     bool

	// Of demand.
	demandUntil       time.Time
	lastRequest       time.Time // when somebody asked last
	waiters, watchers int
	// summaryDue: a summary is to be asked for; a place of the refresher goes with it.
	summaryDue bool

	// mustRelease is why the cluster has to give its memory back; nil: it need not.
	releaseErr error

	// Of the goroutine: running says that it is there, stirred that it has not yet
	// looked at what changed, removed that it ended for good because the cluster is gone.
	running, dirty, terminated bool

	// Of what readers see.
	report  *Report
	changed chan struct{} // closed, and made anew, when readers have to look again
	status  Status
	// lastFault and retry are of the phase Backoff.
	lastFailure  *failure
	backoffUntil time.Time
}

// retainedState is what attempts leave for the next.
type retainedState struct {
	// generation is that of the attempts which failures counts.
	generation int64
	failures   int
	resyncs    resyncCounter
	// uid is of the cluster that answered first.
	uid string
	// reading is the last one of usage.
	usage usageReading
	// noBase: the next report must not rest on what is held.
	noBase bool
	// refused is when the cluster was last refused because it takes too much memory.
	refusedAt time.Time
	// resume is the session that the next one goes on with, under its id.
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

// demand reports whether there is demand, and until when if it expires.
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

// hasWaiters reports whether a reader waits for a report.
func (c *clusterState) hasWaiters() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiters > 0
}

// blockedReason returns why there must be no session, as the reason of an end, or "" if there
// may be one.
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

// expectedUID returns the UID of the only cluster that may answer, or "" for any.
func (c *clusterState) expectedUID() string { return cmp.Or(c.spec.ExpectedUID, c.retained.uid) }

// wakeLocked wakes the goroutine, or starts it if it does not run. m.mu must be held.
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

// startIfDirty starts the goroutine if there is something that it should look at.
func (c *clusterState) startIfDirty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty {
		c.wakeLocked()
	}
}

// tryExit reports whether the goroutine may end because nothing changed since its last decision.
func (c *clusterState) tryExit() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dirty && !c.deleted {
		return false
	}
	c.running, c.terminated = false, c.deleted
	return true
}

// requestSummary makes the goroutine request a summary unless a session is open or being opened.
// The refresher's slot is released in any case, now or later.
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

// finishSummaryLocked releases the refresher's slot and schedules the next refresh.
func (c *clusterState) finishSummaryLocked() {
	c.sessions.summaries.release()
	c.scheduleSummaryLocked()
}

// scheduleSummaryLocked sets when the next summary is due.
func (c *clusterState) scheduleSummaryLocked() {
	if c.spec.IdleRefresh <= 0 || c.blockedReason() != "" {
		c.sessions.summaries.cancel(c)
		return
	}
	c.sessions.summaries.schedule(c, nextSummaryTime(c.name, c.spec.IdleRefresh, time.Now()))
}

// updateStatus changes what there is to tell, and has it told if it differs.
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

// logChange logs when a cluster can no longer be reached, or for another reason, and
// when it can again. A person who suspends it knows.
func (c *clusterState) logChange(before Status) {
	now, log := c.status, c.sessions.log
	switch {
	case now.Ready == state.False && now.Reason != before.Reason && now.Reason != Suspended:
		log.Warn("cluster cannot be reached", "cluster", c.name, "reason", now.Reason, "message", now.Message)
	case now.Ready == state.True && before.Ready == state.False:
		log.Info("cluster is reached again", "cluster", c.name)
	}
}

// notifyWaiters wakes all waiting readers. m.mu must be held.
func (c *clusterState) notifyWaiters() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// publish makes a report the one that readers get.
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

// setStale records the sections that were already stale in a report.
func (s *Status) setStale(sections [state.NumSections]state.Section, received time.Time, ttl time.Duration) {
	for i, section := range sections {
		s.Stale[i] = staleSection(state.SectionName(i), section, received, ttl, s.Stale[i])
	}
}

// setSummary records a summary. An equal summary is not a change.
func (s *Status) setSummary(summary *state.Summary, observed, received time.Time) {
	if s.Summary == nil || !equalSummaries(s.Summary, summary) {
		s.Summary = summary
	}
	s.ObservedAt, s.ReceivedAt = observed, received
}
