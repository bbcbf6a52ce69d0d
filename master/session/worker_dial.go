package session

import (
	"cmp"
	"context"
	"crypto/rand"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// startDial starts a goroutine that dials the agent.
func (w *worker) startDial(ctx context.Context, p purpose) {
	ctx, cancel := context.WithCancel(ctx)
	w.mu.Lock()
	req := dialRequest{cluster: w.spec, uid: w.expectedUID(), summaryOnly: p == purposeSummary, urgent: w.hasWaiters}
	if p == purposeSession {
		req.session = cmp.Or(w.retained.resume.ID, rand.Text())
		if w.report != nil && !w.retained.noBase {
			req.base, req.baseSize = w.report.State, w.report.size
		}
		w.updateStatusLocked(func(s *Status) { s.Session.Phase = Connecting })
	} else {
		w.summaryDue = false
		req.lastSummary, req.lastIdentity = w.status.Summary, w.status.lastIdentity(w.name)
	}
	w.mu.Unlock()
	d := &pendingDial{purpose: p, request: req, cancel: cancel, result: make(chan dialResult, 1)}
	w.dialing = d
	w.children.Go(func() { d.result <- w.sessions.dialAgent(ctx, req) })
}

// outdatedBy reports whether the Registry's entry has changed so much that the dial has to be cancelled.
func (r dialRequest) outdatedBy(spec Cluster) bool {
	return !r.cluster.sameSession(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != r.uid
}

// cancelDial cancels the pending dial, and waits until it has ended.
func (w *worker) cancelDial() {
	d := w.dialing
	w.dialing = nil
	d.cancel()
	if r := <-d.result; r.isOpen() {
		r.releaseHandshake()
		r.conn.tryWrite(&wire.Stop{Message: "the session is no longer needed"})
		r.conn.closeUnread(closeNormal, "")
	}
	w.recordDial(d, "given up")
	if d.purpose == purposeSession {
		w.setIdle()
	}
}

// recordDial counts a dial, and releases the scheduler's slot of a summary.
func (w *worker) recordDial(d *pendingDial, outcome string) {
	w.sessions.metrics.observeDial(d.purpose, outcome)
	if d.purpose == purposeSummary {
		w.mu.Lock()
		w.finishSummaryLocked()
		w.mu.Unlock()
	}
}

// setIdle sets the phase of a cluster without a session or dial to Idle, and wakes readers.
func (w *worker) setIdle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.updateStatusLocked(func(s *Status) { s.Session.Phase = Idle })
	w.notifyWaiters()
}

// handleDialResult processes the result of the pending dial.
func (w *worker) handleDialResult(r dialResult) {
	d := w.dialing
	w.dialing = nil
	d.cancel()
	if r.cancelled {
		w.recordDial(d, "given up")
		w.setIdle()
		return
	}
	outcome := "succeeded"
	if r.failure != nil {
		outcome = string(r.failure.reason)
	}
	w.recordDial(d, outcome)
	switch {
	case d.purpose == purposeSummary:
		w.handleSummary(d, r)
	case r.failure != nil:
		w.handleEnd(sessionEnd{failure: r.failure})
	default:
		w.retained.uid = cmp.Or(w.retained.uid, r.identity.ClusterUID)
		w.startSession(d.request, r)
	}
}

// handleSummary processes the result of a dial for a summary.
func (w *worker) handleSummary(d *pendingDial, r dialResult) {
	if r.failure != nil {
		w.updateStatus(func(s *Status) { s.setFailed(r.failure) })
		return
	}
	w.retained.uid = cmp.Or(w.retained.uid, r.identity.ClusterUID)
	var sections [state.NumSections]state.Section
	for i := range sections {
		sections[i] = wire.SectionFromAge(r.summary.Ages[i], r.summary.Errors[i], r.receivedAt)
	}
	w.updateStatus(func(s *Status) {
		s.setSucceeded(r.skew)
		s.setIdentity(r.hello, r.identity)
		s.setSummary(&r.summary.Summary, observedAt(sections), r.receivedAt)
		s.setStale(sections, r.receivedAt, d.request.cluster.CacheTTL)
	})
}

// setFailed records a failed attempt or session.
func (s *Status) setFailed(f *failure) {
	s.Ready, s.Reason, s.Message = state.False, f.reason, f.Error()
}

// setSucceeded records a successful attempt, and a difference of the clocks.
func (s *Status) setSucceeded(skew clockSkew) {
	s.Ready, s.Reason, s.Message = state.True, Succeeded, ""
	if skew.detected {
		s.Reason = ClockSkew
		s.Message = skew.describe() + ": correct the clocks; until then each dial needs a second connection"
	}
}

// lastIdentity returns the identity of the agent that answered last, with the given cluster name.
func (s *Status) lastIdentity(name string) *wire.Identity {
	return &wire.Identity{AgentVersion: s.AgentVersion, ClusterName: name, ClusterUID: s.UID, KubernetesVersion: s.KubernetesVersion}
}

// setIdentity records the identity of the agent.
func (s *Status) setIdentity(h *wire.Hello, i *wire.Identity) {
	s.UID, s.AgentVersion, s.KubernetesVersion, s.Binding = i.ClusterUID, i.AgentVersion, i.KubernetesVersion, bindingOf(h)
}
