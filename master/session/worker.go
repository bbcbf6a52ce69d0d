package session

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// worker is the goroutine of a cluster with work to do. It owns the dial and the session, and ends when there
// is no demand, no session and no report with a State.
type worker struct {
	*clusterState
	retained *retainedState

	// children are goroutines that the worker has started. It waits for them before it ends.
	children sync.WaitGroup
	writer   *storeWriter   // nil until the first report is written
	dialing  *pendingDial   // nil if there is no pending dial
	active   *activeSession // nil if no session is open

	// failing reports whether the last attempt failed. The next one is due at retryAt.
	failing bool
	retryAt time.Time
}

// pendingDial is a dial whose result was not handled yet.
type pendingDial struct {
	purpose purpose
	request dialRequest
	cancel  context.CancelFunc
	result  chan dialResult
}

func newWorker(c *clusterState) *worker { return &worker{clusterState: c, retained: &c.retained} }

// run decides and acts until nothing is left to do. It waits for:
//   - wake: demand, the Registry's entry, or the schedule of summaries changed
//   - a dial result
//   - a message of the agent, or an error of the connection
//   - the timer: the time in the decision
//   - the context: the master is shutting down
func (w *worker) run(ctx context.Context) {
	defer w.children.Wait()
	w.prepare(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	done := ctx.Done()
	for {
		d := decide(w.facts(ctx, time.Now()))
		switch {
		case d.action == actionExit && w.finish():
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
		case <-w.wake:
		case r := <-w.dialResults():
			w.handleDialResult(r)
		case m := <-w.messages():
			w.handleMessage(m)
		case <-timer.C:
		case <-done:
			done = nil
		}
	}
}

func (w *worker) dialResults() <-chan dialResult {
	if w.dialing == nil {
		return nil
	}
	return w.dialing.result
}

func (w *worker) messages() <-chan inboundMessage {
	if w.active == nil {
		return nil
	}
	return w.active.conn.messages
}

// facts returns the present facts.
func (w *worker) facts(ctx context.Context, now time.Time) facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirty = false
	w.resetOnNewGeneration()
	f := facts{now: now, stopping: ctx.Err() != nil, blockedReason: w.blockedReason(), failing: w.failing, retryAt: w.retryAt, mustRelease: w.releaseErr != nil}
	f.demand, f.demandUntil = w.demand(now)
	if w.dialing != nil {
		f.dialing, f.outdated = w.dialing.purpose, w.dialing.request.outdatedBy(w.spec)
	}
	if w.active != nil {
		w.active.addFacts(&f, w.spec, w.sessions.pauses.total(now))
	}
	if w.report != nil && w.report.State != nil {
		f.hasReport, f.evictAt = true, w.report.ExpiresAt
		if f.demand {
			f.evictAt = f.evictAt.Add(cache.ResumeWindow)
		}
	}
	if w.summaryDue && (f.demand || f.open || f.blockedReason != "") {
		w.summaryDue = false
		w.finishSummaryLocked()
	}
	f.summaryDue = w.summaryDue
	return f
}

// resetOnNewGeneration resets the failures when the cluster's spec was changed, since that may have fixed
// their cause.
func (w *worker) resetOnNewGeneration() {
	if w.retained.generation == w.spec.Generation {
		return
	}
	w.retained.generation, w.retained.failures, w.retained.resyncs, w.retained.refusedAt = w.spec.Generation, 0, resyncCounter{}, time.Time{}
	w.retryAt = time.Time{}
}

// perform performs an action other than actionWait and actionExit.
func (w *worker) perform(ctx context.Context, d decision) {
	switch d.action {
	case actionDial:
		w.startDial(ctx, purposeSession)
	case actionRequestSummary:
		w.startDial(ctx, purposeSummary)
	case actionCancelDial:
		w.cancelDial()
	case actionRenew:
		w.renew()
	case actionStop:
		w.stopSession(d.reason)
	case actionAbort:
		w.abortSession(d.reason)
	case actionEvict:
		w.evictReport()
	case actionReleaseMemory:
		w.releaseMemory()
	case actionClearBackoff:
		w.failing, w.retryAt = false, time.Time{}
		w.retained.resetFailures(time.Now())
		w.setIdle()
	}
}

// abortSession ends the session of a silent agent, or one that outlived its duration. If a message is
// waiting, since the worker was busy, it processes the message instead.
func (w *worker) abortSession(reason string) {
	select {
	case m := <-w.messages():
		w.handleMessage(m)
	default:
		now := time.Now()
		w.endSession(abortEnd(reason, now.Sub(w.active.lastReceived)-(w.sessions.pauses.total(now)-w.active.pausedBefore)))
	}
}

// evictReport drops the State of the report, and keeps its summary.
func (w *worker) evictReport() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.report != nil {
		w.report = w.report.withoutState()
	}
	w.account.Commit(0)
}

// finish writes the last report, and reports whether the worker may end.
func (w *worker) finish() bool {
	w.mu.Lock()
	deleted := w.deleted
	w.mu.Unlock()
	if deleted {
		w.storeWriter().enqueueDelete()
		w.notifyClusterRemoved()
	}
	if w.writer != nil {
		w.writer.close()
		w.writer = nil
	}
	return w.tryExit()
}

// storeWriter returns the worker's storeWriter. The first call starts it.
func (w *worker) storeWriter() *storeWriter {
	if w.writer == nil {
		w.writer = newStoreWriter(w.sessions.store, w.name, w.sessions.log)
		w.children.Go(w.writer.run)
	}
	return w.writer
}
