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
	*member
	past *past

	// children are the goroutines that it started; it outlives them all.
	children sync.WaitGroup
	saver    *saver   // nil: nothing was saved yet
	attempt  *attempt // nil: no dial is under way
	live     *live    // nil: no session is open

	// failing: the last attempt failed, and the next is at retryAt.
	failing bool
	retryAt time.Time
}

// attempt is a dial under way.
type attempt struct {
	purpose purpose
	call    call
	cancel  context.CancelFunc
	done    chan reply
}

func newWorker(m *member) *worker { return &worker{member: m, past: &m.past} }

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
		case d.do == leave && w.depart():
			return
		case d.do != wait:
			w.do(ctx, d)
			continue
		}
		timer.Stop()
		if !d.until.IsZero() {
			timer.Reset(time.Until(d.until))
		}
		select {
		case <-w.stir:
		case r := <-w.replies():
			w.takeReply(r)
		case f := <-w.frames():
			w.takeFrame(f)
		case <-timer.C:
		case <-done:
			done = nil
		}
	}
}

func (w *worker) replies() <-chan reply {
	if w.attempt == nil {
		return nil
	}
	return w.attempt.done
}

func (w *worker) frames() <-chan frame {
	if w.live == nil {
		return nil
	}
	return w.live.link.frames
}

// facts are how things are now.
func (w *worker) facts(ctx context.Context, now time.Time) facts {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stirred = false
	w.startAnew()
	f := facts{now: now, stopping: ctx.Err() != nil, blockedReason: w.blockedReason(), failing: w.failing, retry: w.retryAt, mustRelease: w.mustRelease != nil}
	f.wanted, f.wantedUntil = w.wanted(now)
	if w.attempt != nil {
		f.dialing, f.outdated = w.attempt.purpose, w.attempt.call.outdatedBy(w.spec)
	}
	if w.live != nil {
		w.live.facts(&f, w.spec, w.sessions.pauses.until(now))
	}
	if w.value != nil && w.value.State != nil {
		f.held, f.evict = true, w.value.ExpiresAt
		if f.wanted {
			f.evict = f.evict.Add(cache.ResumeTime)
		}
	}
	if w.summaryDue && (f.wanted || f.open || f.blockedReason != "") {
		w.summaryDue = false
		w.endTurnLocked()
	}
	f.summaryDue = w.summaryDue
	return f
}

// startAnew forgets failures when somebody has changed what they may come from.
func (w *worker) startAnew() {
	if w.past.generation == w.spec.Generation {
		return
	}
	w.past.generation, w.past.failures, w.past.resyncs, w.past.refused = w.spec.Generation, 0, resyncs{}, time.Time{}
	w.retryAt = time.Time{}
}

// do does what was decided, other than to wait or to leave.
func (w *worker) do(ctx context.Context, d decision) {
	switch d.do {
	case dial:
		w.begin(ctx, forSession)
	case askSummary:
		w.begin(ctx, forSummary)
	case giveUp:
		w.giveUp()
	case renew:
		w.renew()
	case stop:
		w.stop(d.why)
	case abort:
		w.abort(d.why)
	case evict:
		w.evict()
	case release:
		w.release()
	case calm:
		w.failing, w.retryAt = false, time.Time{}
		w.past.forgive(time.Now())
		w.rest()
	}
}

// abort ends a session that went wrong, if nothing came after all while the
// goroutine was busy.
func (w *worker) abort(why string) {
	select {
	case f := <-w.frames():
		w.takeFrame(f)
	default:
		now := time.Now()
		w.end(hungUp(why, now.Sub(w.live.heard)-(w.sessions.pauses.until(now)-w.live.paused)))
	}
}

// evict keeps of the value what costs nothing.
func (w *worker) evict() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.value != nil {
		w.value = w.value.evict()
	}
	w.account.Hold(0)
}

// depart saves what is left to save, and says whether the goroutine may end.
func (w *worker) depart() bool {
	w.mu.Lock()
	gone := w.gone
	w.mu.Unlock()
	if gone {
		w.saves().forget()
		w.tellForgotten()
	}
	if w.saver != nil {
		w.saver.close()
		w.saver = nil
	}
	return w.leave()
}

// saves is the worker's saver, started when it is needed first.
func (w *worker) saves() *saver {
	if w.saver == nil {
		w.saver = newSaver(w.sessions.store, w.name, w.sessions.log)
		w.children.Go(w.saver.run)
	}
	return w.saver
}
