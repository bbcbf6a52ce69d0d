package session

import (
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// handleMessage processes a message of the open session, or the error that ends it.
func (w *worker) handleMessage(in inboundMessage) {
	defer in.release()
	active := w.active
	active.lastReceived, active.pausedBefore = in.receivedAt, w.sessions.pauses.total(in.receivedAt)
	w.sessions.metrics.received.Add(float64(len(in.data)))
	if in.err != nil {
		w.endSession(w.readErrorEnd(in))
		return
	}
	switch m := in.message.(type) {
	case *wire.SubscribeResponse:
		w.handleGrant(m, in.receivedAt)
	case *wire.End:
		w.endSession(agentEnd(m))
	case *wire.Snapshot, *wire.Delta, *wire.Usage, *wire.Status, *wire.Bookmark:
		w.handleReport(in)
	default:
		w.endSession(resyncEnd(fmt.Errorf("the agent sent %T, which is not allowed in a session", m)))
	}
}

// readErrorEnd returns the sessionEnd for an error of the connection or of a message. An agent ends a session
// whose reports are not acknowledged. If that happened while this process was paused, it is not a failure of
// the agent.
func (w *worker) readErrorEnd(m inboundMessage) sessionEnd {
	if requiresResync(m.err) {
		return resyncEnd(m.err)
	}
	sessions, active := w.sessions, w.active
	since := m.receivedAt.Add(-wire.SilenceTimeout(active.period))
	if since.Before(active.grantedAt) {
		since = active.grantedAt
	}
	if pause := sessions.pauses.lastSince(since, m.receivedAt); pause > 0 {
		sessions.log.Info("the connection broke while this process was paused; dialing again", "cluster", w.name, "session", active.info.ID, "pause", pause.Round(time.Millisecond))
		return sessionEnd{reason: endPaused}
	}
	return lostEnd(m.err)
}

// handleGrant processes the answer to a Renew.
func (w *worker) handleGrant(m *wire.SubscribeResponse, at time.Time) {
	active := w.active
	if !active.renewing || m.Renewal != active.renewal {
		w.endSession(resyncEnd(fmt.Errorf("the agent sent a grant for renewal %d, which was not requested", m.Renewal)))
		return
	}
	if f := active.cluster.checkGrant(m); f != nil {
		active.conn.tryWrite(&wire.Stop{Message: f.Error()})
		w.endSession(sessionEnd{reason: endRefused, failure: f})
		return
	}
	active.renewing, active.grantedAt, active.period, active.duration, active.nonce = false, at, m.Period, m.Duration, m.Nonce
	active.info.ExpiresAt = active.expiresAt()
	w.updateStatus(func(s *Status) { s.Session.ExpiresAt = active.info.ExpiresAt })
}

// handleReport processes a part of a report. When a Bookmark has verified the report, it acknowledges and
// publishes it.
func (w *worker) handleReport(m inboundMessage) {
	active := w.active
	if _, ok := m.message.(*wire.Snapshot); ok {
		if err := active.keepSnapshotFrame(m.data, w.account); err != nil {
			w.endSession(overBudgetEnd(err))
			return
		}
	}
	if active.isExpensive() {
		defer w.acquireCPU()()
	}
	s, err := active.receiver.Receive(m.message, m.receivedAt)
	switch {
	case errors.Is(err, wire.ErrBudget):
		w.endSession(overBudgetEnd(err))
		return
	case err != nil:
		w.endSession(resyncEnd(err))
		return
	}
	bookmark, ok := m.message.(*wire.Bookmark)
	if !ok {
		return
	}
	active.conn.tryWrite(&wire.Ack{Seq: bookmark.Seq})
	if r := w.newReport(s, m.receivedAt, active.lateDetector.isLate(m.receivedAt, bookmark.Sent, active.period)); r != nil {
		compact := w.shouldCompact(s, m.receivedAt)
		if compact {
			r.State = w.compact(s)
		}
		r.size = active.receiver.EvictedSize()
		w.reportApplied(r)
		if compact {
			r.State.EvictObjects()
		}
	}
	active.snapshotFrames, active.snapshotFramesSize = nil, 0
	w.commitSize(active.receiver.Size())
}

// newReport returns the report for a State. A late report does not extend freshness: it expires with the
// report before it. If there is none, newReport returns nil.
func (w *worker) newReport(s *state.State, at time.Time, late bool) *Report {
	active := w.active
	info := active.info
	info.Phase = Reporting
	r := &Report{
		Cluster: w.name, UID: active.identity.ClusterUID, KubernetesVersion: active.identity.KubernetesVersion, AgentVersion: active.identity.AgentVersion, Term: active.term,
		ReceivedAt: at, ExpiresAt: at.Add(active.cluster.CacheTTL), TTL: active.cluster.CacheTTL, Session: info,
	}
	w.mu.Lock()
	prev, ignore := w.report, w.spec.Ignore
	w.mu.Unlock()
	if late {
		if prev == nil {
			return nil
		}
		r.ReceivedAt, r.ExpiresAt, r.TTL = prev.ReceivedAt, prev.ExpiresAt, prev.TTL
	}
	r.setState(s, prev, ignore, at)
	return r
}

// reportApplied publishes a report, calls the event handlers and enqueues it for the Store.
func (w *worker) reportApplied(r *Report) {
	active := w.active
	active.reports++
	active.releaseHandshake()
	w.retained.noBase = false
	if !w.retained.resyncs.exceeded(r.ReceivedAt) {
		w.retained.resetFailures(r.ReceivedAt)
	}
	w.failing = false
	if active.info.Phase != Reporting {
		active.info.Phase = Reporting
		w.updateStatus(func(s *Status) {
			s.Session = active.info
			s.setSucceeded(active.skew)
			s.setIdentity(active.hello, active.identity)
		})
	}
	w.publish(r)
	w.notifyReport(r)
	w.storeWriter().enqueue(r.storeEntry(w.demandEnd(r.ReceivedAt)), active.period)
}

// demandEnd returns when the present demand ends.
func (w *worker) demandEnd(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	demand, until := w.demand(now)
	if demand && until.IsZero() {
		return now.Add(demandTTL(w.spec))
	}
	return until
}
