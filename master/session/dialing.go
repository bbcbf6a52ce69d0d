package session

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/reportstore"
)

// pendingDial is a dial whose result was not handled yet.
type pendingDial struct {
	purpose purpose
	// owner reports whether this master owned the cluster when the dial began.
	owner bool
	// last is the version of the last report, if there is one.
	last report.Version
	// cluster is the Registry's entry for which the agent is dialed.
	cluster Cluster
	// uid is the UID of the cluster whose agent must answer, or "" if any may.
	uid string
	// session is the ID of the requested session, and base the State on which its first report may be based,
	// or nil. baseSize is the memory of base in bytes.
	session  string
	base     *wire.LazyState
	baseSize int64
	// releaseSummary releases the slot of a summary.
	releaseSummary func()

	cancel context.CancelFunc
	result chan dialResult
}

// dialResult is the result of a dial: a session, a summary, or a failure.
type dialResult struct {
	session *dial.Session
	term    uint64
	// releaseHandshake releases the session's slot of Limits.Handshakes. It may be called several times.
	releaseHandshake func()

	summary *dial.Summary
	failure *dial.Failure
	// cancelled reports whether the dial was cancelled, or has to be repeated because this process was paused.
	// There is no session then, and the failure has no meaning.
	cancelled bool
}

// results returns the channel of the result, or nil if there is no pending dial.
func (d *pendingDial) results() <-chan dialResult {
	if d == nil {
		return nil
	}
	return d.result
}

// outdatedBy reports whether the Registry's entry has changed so much that the dial has to be cancelled.
func (d *pendingDial) outdatedBy(spec Cluster) bool {
	return !d.cluster.sameSession(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != d.uid
}

// dialForSession starts a goroutine that dials the agent for a session.
func (w *worker) dialForSession(ctx context.Context) {
	c := w.cluster
	d := &pendingDial{purpose: purposeSession, owner: w.sessions.owns(c.name), session: cmp.Or(w.attempts.resume.ID, rand.Text())}
	c.update(func() {
		d.cluster = c.spec
		if c.report != nil {
			d.last = c.report.Version()
		}
		if c.report != nil && !w.attempts.noBase {
			d.base, d.baseSize = c.report.LazyState, c.report.Size
		}
		c.status.Session.Phase = Connecting
	})
	request := dial.SessionRequest{
		ID: d.session, Period: d.cluster.RequestPeriod, Duration: d.cluster.SessionDuration, CacheTTL: d.cluster.CacheTTL, Base: d.base,
		Owner: d.owner,
	}
	known := max(w.attempts.term, d.last.Term)
	w.startDial(ctx, d, func(ctx context.Context, t dial.Target) (r dialResult) {
		request.Term = w.sessions.store.NextTerm(ctx, t.Cluster, known)
		if r.session, r.failure = w.sessions.dialer.OpenSession(ctx, t, request); r.failure == nil {
			w.setTerm(ctx, d, &r, request.Term)
		}
		return r
	})
}

// setTerm sets the term of a session that the agent has granted. If the Store knows that another master owns the
// cluster, setTerm ends the session.
func (w *worker) setTerm(ctx context.Context, d *pendingDial, r *dialResult, requested uint64) {
	granted := r.session.Grant.Term
	if !d.owner {
		r.term = reportstore.GuestTerm(requested, granted, r.session.Hello.Epoch, d.last)
		return
	}
	var err error
	if r.term, err = w.sessions.store.TakeTerm(ctx, w.cluster.name, requested, granted); err != nil {
		r.session.Stop(stopMessages[endSuperseded])
		r.session, r.failure = nil, dial.Failf(dial.Superseded, "%w", err)
	}
}

// dialForSummary starts a goroutine that dials the agent for a summary.
func (w *worker) dialForSummary(ctx context.Context) {
	c := w.cluster
	d := &pendingDial{purpose: purposeSummary}
	var request dial.SummaryRequest
	c.read(func() {
		d.cluster = c.spec
		d.releaseSummary = c.takeSummary()
		request = dial.SummaryRequest{Ignore: c.spec.Ignore, Last: c.status.Summary, LastIdentity: c.status.lastIdentity(c.name)}
	})
	w.startDial(ctx, d, func(ctx context.Context, t dial.Target) (r dialResult) {
		r.summary, r.failure = w.sessions.dialer.RequestSummary(ctx, t, request)
		return r
	})
}

// startDial starts a goroutine that calls f, when the limit of handshakes admits it.
func (w *worker) startDial(ctx context.Context, d *pendingDial, f func(context.Context, dial.Target) dialResult) {
	ctx, d.cancel = context.WithCancel(ctx)
	d.uid = cmp.Or(d.cluster.ExpectedUID, w.attempts.uid)
	d.result = make(chan dialResult, 1)
	w.dialing = d
	w.children.Go(func() {
		if f := w.awaitLink(ctx, d); f != nil {
			d.result <- dialResult{failure: f, cancelled: ctx.Err() != nil}
			return
		}
		release, err := w.sessions.limits.Handshakes.Acquire(ctx, 1, w.cluster.hasWaiters)
		if err != nil {
			d.result <- dialResult{cancelled: true}
			return
		}
		start := time.Now()
		r := f(ctx, d.cluster.target(d.uid))
		r.releaseHandshake = release
		// If this process was paused during the dial, its timeout says nothing about the agent, and the dial
		// is repeated.
		paused := r.failure != nil && time.Since(start) >= dial.Timeout && w.sessions.pauses.lastSince(start, time.Now()) > 0
		if r.cancelled = ctx.Err() != nil || paused; r.cancelled {
			r.abandonSession()
		}
		if r.session == nil {
			release()
		}
		d.result <- r
	})
}

// awaitLink waits until a cluster whose agent dials this master has an idle link, so that the wait takes no slot of
// Limits.Handshakes. A summary does not wait: one becomes due when the agent has linked.
func (w *worker) awaitLink(ctx context.Context, d *pendingDial) *dial.Failure {
	if !d.cluster.Reverse || d.purpose != purposeSession || w.sessions.links == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, dial.Timeout)
	defer cancel()
	if err := w.sessions.links.Wait(ctx, d.cluster.Name); err != nil {
		return dial.NotLinkedFailure(d.cluster.Name, err)
	}
	return nil
}

// abandonSession ends a session that was granted but is no longer needed.
func (r *dialResult) abandonSession() {
	if r.session != nil {
		r.releaseHandshake()
		r.session.Stop("the session is no longer needed")
		r.session = nil
	}
}

// cancelDial cancels the pending dial, and waits until it has ended.
func (w *worker) cancelDial() {
	d := w.dialing
	w.dialing = nil
	d.cancel()
	r := <-d.result
	r.abandonSession()
	w.recordDial(d, "given up")
	if d.purpose == purposeSession {
		w.cluster.setIdle()
	}
}

// recordDial counts a dial. After one for a summary it schedules the next.
func (w *worker) recordDial(d *pendingDial, outcome string) {
	w.sessions.metrics.observeDial(d.purpose, outcome)
	if d.purpose == purposeSummary {
		d.releaseSummary()
		w.cluster.read(w.cluster.scheduleSummary)
	}
}

// setIdle sets the phase of a cluster without a session or dial to Idle, and wakes readers.
func (c *clusterState) setIdle() {
	c.update(func() {
		c.status.Session.Phase = Idle
		c.notifyReaders()
	})
}

// handleDialResult processes the result of the pending dial.
func (w *worker) handleDialResult(r dialResult) {
	d := w.dialing
	w.dialing = nil
	d.cancel()
	if r.cancelled {
		w.recordDial(d, "given up")
		w.cluster.setIdle()
		return
	}
	outcome := "succeeded"
	if r.failure != nil {
		outcome = string(r.failure.Reason)
	}
	w.recordDial(d, outcome)
	switch {
	case r.failure != nil && d.purpose == purposeSummary:
		w.cluster.update(func() { w.cluster.status.setFailed(r.failure) })
	case r.failure != nil && r.failure.Reason == dial.Superseded:
		w.handleEnd(supersededEnd())
	case r.failure != nil:
		w.handleEnd(sessionEnd{failure: r.failure})
	case d.purpose == purposeSummary:
		w.attempts.uid = cmp.Or(w.attempts.uid, r.summary.Agent.Identity.ClusterUID)
		w.cluster.setSummary(r.summary, d.cluster.CacheTTL)
	default:
		w.attempts.uid = cmp.Or(w.attempts.uid, r.session.Identity.ClusterUID)
		w.startSession(d, r)
	}
}

// setSummary records a summary that the agent has sent without a session.
func (c *clusterState) setSummary(r *dial.Summary, ttl time.Duration) {
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = wire.SectionFromAge(r.Ages[i], r.Errors[i], r.ReceivedAt)
	}
	c.update(func() {
		c.status.setSucceeded(r.Agent, c.sessions.config.Version)
		c.status.setSummary(&r.Summary.Summary, observedAt(sections), r.ReceivedAt)
		c.status.setStale(sections, r.ReceivedAt, ttl)
		c.queuePeerUpdate() // also if only times have changed
	})
}
