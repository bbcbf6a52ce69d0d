package session

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/session/dial"
)

// clusterState is the state of one cluster of the Registry. It exists while the Registry has the cluster; its
// worker runs only while there is something to do. No method logs or reads the Registry with mu held.
type clusterState struct {
	name     string
	sessions *Sessions
	// account reserves the memory of the cluster's State from the budget.
	account *budget.Account
	// wake has the capacity 1 and wakes the worker.
	wake chan struct{}

	// attempts belongs to the worker. The next worker of the cluster continues with it.
	attempts attempts

	mu sync.Mutex // guards the fields below

	// The entry of the Registry.
	spec        Cluster
	specFailure *dial.Failure // says why spec cannot be dialed; nil if it can
	// specChanges counts the changes of spec.
	specChanges int
	deleted     bool
	// wasOwned reports whether this master owned the cluster at the last call of OwnershipChanged.
	wasOwned bool

	demand demand
	// linkArrived reports whether the cluster got a link since the worker's last decision.
	linkArrived bool
	// releaseSummary is set while the worker is to request a summary. It releases the slot of
	// Limits.Summaries.
	releaseSummary func()
	// releaseErr asks the worker to release the cluster's memory, and says why. It is nil if the worker need
	// not.
	releaseErr error

	// The worker. running reports whether there is one, dirty whether something changed since its last
	// decision, and terminated whether no further one may start because the cluster was deleted.
	running, dirty, terminated bool

	// followed is a report of another master, which the worker is to publish, or nil. followedUntil is when the last one
	// expires.
	followed      *Report
	followedUntil time.Time

	// What readers see.
	report  *Report
	changed chan struct{} // closed and replaced when readers have to read again
	status  Status
	// lastFailure and backoffUntil are set in the phase Backoff.
	lastFailure  *dial.Failure
	backoffUntil time.Time
}

func newClusterState(s *Sessions, name string) *clusterState {
	c := &clusterState{
		name: name, sessions: s, account: s.config.Budget.Account(name), wake: make(chan struct{}, 1), changed: make(chan struct{}),
		status: Status{Cluster: name, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}},
	}
	c.account.OnEvict(c.requestRelease)
	return c
}

// read calls f with c.mu held.
func (c *clusterState) read(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// update calls f, which may change the status, with c.mu held. If more than times has changed in the status,
// it wakes readers and queues the cluster's name for Updates. It logs a change of reachability.
func (c *clusterState) update(f func()) {
	before, after := c.updateLocking(f)
	c.logReachability(before, after)
}

func (c *clusterState) updateLocking(f func()) (before, after Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before = c.status
	f()
	if !c.status.equalIgnoringTimes(before) {
		c.sessions.updates.add(c.name)
		c.queuePeerUpdate()
		c.notifyReaders()
	}
	return before, c.status
}

// logReachability logs a cluster that became unreachable, or is so for another reason, and one that became
// reachable again. It does not log a suspension, which is intended.
func (c *clusterState) logReachability(before, after Status) {
	log := c.sessions.config.Log
	switch {
	case after.Ready == state.False && after.Reason != before.Reason && after.Reason != Suspended:
		log.Warn("cluster cannot be reached", "cluster", c.name, "reason", after.Reason, "message", after.Message)
	case after.Ready == state.True && before.Ready == state.False:
		log.Info("cluster can be reached again", "cluster", c.name)
	}
}

// notifyReaders wakes all waiting readers. c.mu must be held.
func (c *clusterState) notifyReaders() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// publish sets the current report, and wakes readers. c.mu must be held.
func (c *clusterState) publish(r *Report) {
	c.report = r
	c.status.setReport(r)
	c.notifyReaders()
}

// commitReportSize sets the reserved memory to the size of the current report, when no session is open.
func (c *clusterState) commitReportSize() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var size int64
	if c.report != nil {
		size = c.report.Size
	}
	c.account.Commit(size)
}

// commitSize sets the reserved memory to the size of the session's State.
func (c *clusterState) commitSize(size int64) {
	c.read(func() { c.account.Commit(size) })
}

// evictReport drops the State of the report, and keeps its summary. c.mu must be held.
func (c *clusterState) evictReport() {
	if c.report != nil {
		c.report = c.report.WithoutState()
	}
}

// requestRelease makes the worker release the cluster's memory, because the cluster exceeds its share and
// others need theirs.
func (c *clusterState) requestRelease(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.releaseErr = err
	c.wakeWorker()
}

// hasDemand reports whether there is demand now.
func (c *clusterState) hasDemand() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	demand, _ := c.demand.at(time.Now(), c.spec, c.owned())
	return demand
}

// hasWaiters reports whether a request waits for a report.
func (c *clusterState) hasWaiters() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.demand.waiters > 0
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

// addInputs sets the inputs that the clusterState knows, and returns the Registry's entry. in.open must be set before.
// It clears dirty, so that a later change sets it again. It reschedules a due summary that is not needed, because a
// session is open or wanted, or not allowed.
func (c *clusterState) addInputs(in *inputs) Cluster {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = false
	in.blockedReason, in.mustRelease = c.blockedReason(), c.releaseErr != nil
	in.following = !c.owned()
	in.demand, in.demandUntil = c.demand.at(in.now, c.spec, !in.following)
	in.guestAt, in.followed = c.guestAt(), c.followed != nil
	in.ownerReports = in.now.Before(c.followedUntil)
	if c.report != nil && c.report.HasState() {
		in.hasReport, in.evictAt = true, c.report.ExpiresAt
		if in.demand {
			in.evictAt = in.evictAt.Add(cache.ResumeWindow)
		}
	}
	if c.releaseSummary != nil && (in.demand || in.open || in.following || in.blockedReason != "") {
		c.takeSummary()()
		c.scheduleSummary()
	}
	in.summaryDue = c.releaseSummary != nil
	return c.spec
}

// wakeWorker wakes the worker, or starts one if none runs. c.mu must be held.
func (c *clusterState) wakeWorker() {
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
		c.wakeWorker()
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

// requestSummary makes the worker request a summary, unless a session is open or wanted. release is called
// now or when the summary has come.
func (c *clusterState) requestSummary(release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	demand, _ := c.demand.at(time.Now(), c.spec, true)
	if demand || !c.owned() || c.blockedReason() != "" || c.status.Session.Phase != Idle || c.releaseSummary != nil {
		release()
		c.scheduleSummary()
		return
	}
	c.releaseSummary = release
	c.wakeWorker()
}

// takeSummary takes over the due summary: it is no longer due, and the caller must call release, which releases its
// slot. c.mu must be held.
func (c *clusterState) takeSummary() (release func()) {
	release, c.releaseSummary = c.releaseSummary, nil
	return release
}

// scheduleSummary schedules the next summary, or none if the cluster must not have any. c.mu must be held.
func (c *clusterState) scheduleSummary() {
	if c.spec.IdleRefresh <= 0 || c.blockedReason() != "" {
		c.sessions.summaries.cancel(c)
		return
	}
	c.sessions.summaries.schedule(c, nextSummaryTime(c.name, c.spec.IdleRefresh, time.Now()))
}
