package session

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// worker is the goroutine of one wanted cluster. It owns dial and session, and ends
// when there is nothing left to do: no demand, no session, no value.
type worker struct {
	*clusterState
	retained *retainedState

	// children are the goroutines that it started; it outlives them all.
	children sync.WaitGroup
	writer   *storeWriter   // nil: nothing was saved yet
	dialing  *pendingDial   // nil: no dial is under way
	active   *activeSession // nil: no session is open

	// failing: the last attempt failed, and the next is at retryAt.
	failing bool
	retryAt time.Time
}

// pendingDial is a dial under way.
type pendingDial struct {
	purpose purpose
	request dialRequest
	cancel  context.CancelFunc
	result  chan dialResult
}

func newWorker(c *clusterState) *worker { return &worker{clusterState: c, retained: &c.retained} }

// run decides and does until there is nothing left. It waits for:
//   - stir: demand, the registry's entry or its turn for a summary changed
//   - replies: a dial came to its end
//   - frames: the agent sent something, or the connection broke
//   - the timer: an instant that the decision named
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
		case f := <-w.messages():
			w.handleMessage(f)
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

// facts are how things are now.
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

// resetOnNewGeneration forgets failures when somebody has changed what they may come from.
func (w *worker) resetOnNewGeneration() {
	if w.retained.generation == w.spec.Generation {
		return
	}
	w.retained.generation, w.retained.failures, w.retained.resyncs, w.retained.refusedAt = w.spec.Generation, 0, resyncCounter{}, time.Time{}
	w.retryAt = time.Time{}
}

// perform does what was decided, other than to wait or to leave.
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

// abortSession ends a session that went wrong, if nothing came after all while the
// goroutine was busy.
func (w *worker) abortSession(reason string) {
	select {
	case m := <-w.messages():
		w.handleMessage(m)
	default:
		now := time.Now()
		w.endSession(abortEnd(reason, now.Sub(w.active.lastReceived)-(w.sessions.pauses.total(now)-w.active.pausedBefore)))
	}
}

// evictReport keeps of the value what costs nothing.
func (w *worker) evictReport() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.report != nil {
		w.report = w.report.withoutState()
	}
	w.account.Commit(0)
}

// finish saves what is left to save, and says whether the goroutine may end.
func (w *worker) finish() bool {
	w.mu.Lock()
	gone := w.deleted
	w.mu.Unlock()
	if gone {
		w.storeWriter().drop()
		w.notifyClusterRemoved()
	}
	if w.writer != nil {
		w.writer.close()
		w.writer = nil
	}
	return w.tryExit()
}

// storeWriter is the worker's saver, started when it is needed first.
func (w *worker) storeWriter() *storeWriter {
	if w.writer == nil {
		w.writer = newStoreWriter(w.sessions.store, w.name, w.sessions.log)
		w.children.Go(w.writer.run)
	}
	return w.writer
}
