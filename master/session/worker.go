package session

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/session/reportstore"
)

// worker is the goroutine of a cluster with work to do. It decides what to do next, and owns the dial, the
// session and the Writer of the Store. It ends when there is no demand, no session and no report with a State.
type worker struct {
	sessions *Sessions
	cluster  *clusterState
	attempts *attempts

	// children are goroutines that the worker has started. It waits for them before it ends.
	children sync.WaitGroup
	writer   *reportstore.Writer // nil until the first report is written
	dialing  *pendingDial        // nil if there is no pending dial
	active   *activeSession      // nil if no session is open
}

func newWorker(c *clusterState) *worker {
	return &worker{sessions: c.sessions, cluster: c, attempts: &c.attempts}
}

// run decides and acts until nothing is left to do. It waits for:
//   - wake: demand, the Registry's entry, or the schedule of summaries changed
//   - a dial result
//   - a message of the agent, or an error of the connection
//   - the timer: the time in the decision
//   - the context: the master is shutting down
func (w *worker) run(ctx context.Context) {
	defer w.children.Wait()
	w.cluster.prepare(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		d := decide(w.inputs(ctx, time.Now()))
		switch {
		case d.action == actionExit && w.finish(ctx):
			return
		case d.action != actionWait:
			w.perform(ctx, d)
			continue
		}
		timer.Stop()
		if !d.until.IsZero() {
			timer.Reset(time.Until(d.until))
		}
		select {
		case <-w.cluster.wake:
		case r := <-w.dialing.results():
			w.handleDialResult(r)
		case m := <-w.active.messages():
			w.handleMessage(ctx, m)
		case <-timer.C:
		case <-done:
			done = nil
		}
	}
}

// inputs returns what decide needs to know at a time.
func (w *worker) inputs(ctx context.Context, now time.Time) inputs {
	in := inputs{now: now, stopping: ctx.Err() != nil, open: w.active != nil}
	spec := w.cluster.addInputs(&in)
	w.attempts.resetOnChange(spec.Generation)
	if w.cluster.takeLinkArrived() {
		w.attempts.retryAt = time.Time{}
	}
	in.failing, in.retryAt = w.attempts.failing, w.attempts.retryAt
	if w.sessions.owns(w.cluster.name) {
		in.retryAt = later(in.retryAt, w.attempts.takeAt)
	}
	if w.dialing != nil {
		in.dialing, in.outdated = w.dialing.purpose, w.dialing.outdatedBy(spec)
	}
	if w.active != nil {
		w.active.addInputs(&in, spec)
	}
	return in
}

// perform performs an action other than actionWait and actionExit.
func (w *worker) perform(ctx context.Context, d decision) {
	switch d.action {
	case actionDial:
		w.dialForSession(ctx)
	case actionRequestSummary:
		w.dialForSummary(ctx)
	case actionCancelDial:
		w.cancelDial()
	case actionRenew:
		w.active.renew()
	case actionStop:
		w.active.sendStop(d.reason)
		w.endSession(sessionEnd{reason: d.reason})
	case actionAbort:
		w.abortSession(ctx, d.reason)
	case actionFollow:
		w.follow()
	case actionEvict:
		w.evict()
	case actionReleaseMemory:
		w.releaseMemory()
	case actionClearBackoff:
		w.attempts.endBackoff(time.Now())
		w.cluster.setIdle()
	}
}

// finish writes the last report, and reports whether the worker may end.
func (w *worker) finish(ctx context.Context) bool {
	var deleted bool
	w.cluster.read(func() { deleted = w.cluster.deleted })
	if deleted {
		if w.sessions.owns(w.cluster.name) {
			w.storeWriter(ctx).Delete()
		}
		w.sessions.notifyClusterRemoved(w.cluster.name)
	}
	if w.writer != nil {
		w.writer.Close()
		w.writer = nil
	}
	return w.cluster.tryExit()
}

// storeWriter returns the worker's Writer. The first call starts it.
func (w *worker) storeWriter(ctx context.Context) *reportstore.Writer {
	if w.writer == nil {
		w.writer = w.sessions.store.NewWriter(w.cluster.name)
		w.children.Go(func() { w.writer.Run(ctx) })
	}
	return w.writer
}

// evict drops the State of the expired report. If another master has reported it, its session counts as ended.
func (w *worker) evict() {
	var expiredAt time.Time
	w.cluster.read(func() {
		expiredAt = w.cluster.report.ExpiresAt
		w.cluster.evictReport()
		w.cluster.account.Commit(0)
	})
	if w.attempts.following {
		w.attempts.following = false
		w.cluster.setIdle()
		w.sessions.notifySessionEnd(w.cluster.name, expiredAt, false)
	}
}

// releaseMemory releases all memory of the cluster and starts back-off.
func (w *worker) releaseMemory() {
	if w.dialing != nil {
		w.cancelDial()
	}
	c := w.cluster
	var e sessionEnd
	var blocked bool
	c.read(func() {
		e, blocked = overBudgetEnd(c.releaseErr), c.blockedReason() != ""
		c.releaseErr = nil
		c.evictReport()
	})
	switch {
	case w.active != nil:
		w.endSession(e)
	case blocked:
		c.commitReportSize()
	default:
		c.commitReportSize()
		w.handleEnd(e)
	}
}

// handleEnd updates the status after the end of an attempt or session, starts back-off if it failed, and
// wakes readers.
func (w *worker) handleEnd(e sessionEnd) outcome {
	next := w.attempts.add(e, time.Now(), w.sessions.config.Random)
	c := w.cluster
	if next.backOff && w.attempts.failures%failuresUntilHandOver == 0 {
		w.sessions.handOver(c.name)
	}
	c.update(func() {
		c.lastFailure, c.backoffUntil = next.failure, w.attempts.retryAt
		c.status.Session.Phase = Idle
		if next.backOff {
			c.status.Session.Phase = Backoff
			c.status.setFailed(next.failure)
		}
		if e.reason != "" {
			c.status.LastEndReason = e.reason
		}
		c.notifyReaders()
	})
	return next
}
