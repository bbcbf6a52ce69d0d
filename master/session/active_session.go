package session

import (
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

const closeNormal = websocket.StatusNormalClosure

// activeSession is an open session on one connection. It belongs to the worker.
type activeSession struct {
	conn *conn
	// cluster is the Registry's entry for which it was opened.
	cluster  Cluster
	hello    *wire.Hello
	identity *wire.Identity
	term     uint64
	info     Info
	skew     clockSkew
	// signer signs each Renew, over nonce.
	signer *connSigner
	nonce  []byte

	period, duration time.Duration
	grantedAt        time.Time // when the last grant was received
	lastReceived     time.Time // when the last processed message was received
	// pausedBefore is the total time for which this process was paused before lastReceived.
	pausedBefore time.Duration
	renewal      uint32 // the number of the last Renew
	renewing     bool

	receiver     *wire.Receiver
	lateDetector lateDetector
	// reports is the number of published reports.
	reports int
	// releaseHandshake releases the handshake slot. It may be called several times.
	releaseHandshake func()
	// snapshotFrames has the encoded messages of the present snapshot, until a Bookmark ends it. It is nil if
	// they are too large. snapshotFramesSize is their size, or 0 outside a snapshot.
	snapshotFrames     [][]byte
	snapshotFramesSize int
}

// startSession starts the session that a dial has opened.
func (w *worker) startSession(req dialRequest, r dialResult) {
	active := &activeSession{
		conn: r.conn, cluster: req.cluster, hello: r.hello, identity: r.identity, term: r.term, skew: r.skew,
		signer: r.signer, nonce: r.response.Nonce,
		info:   Info{ID: req.session, Phase: Connecting, Holder: w.sessions.config.Holder, StartedAt: r.receivedAt},
		period: r.response.Period, duration: r.response.Duration, grantedAt: r.receivedAt, lastReceived: r.receivedAt,
		releaseHandshake: r.releaseHandshake,
		receiver:         wire.NewReceiver(r.hello.Epoch, req.base), lateDetector: newLateDetector(r.helloAt),
	}
	if req.session == w.retained.resume.ID {
		active.info.StartedAt = w.retained.resume.StartedAt
	}
	active.receiver.SetBudget(w.account, req.baseSize)
	active.info.ExpiresAt = active.expiresAt()
	active.pausedBefore = w.sessions.pauses.total(r.receivedAt)
	w.retained.resume = Info{}
	w.active = active
	w.children.Go(active.conn.readLoop)
	w.updateStatus(func(s *Status) { s.Session = active.info })
}

func (a *activeSession) expiresAt() time.Time { return a.grantedAt.Add(a.duration) }

// addFacts adds the facts of an open session. paused is the total time for which this process was paused: a
// pause since the last message does not count as silence of the agent.
func (a *activeSession) addFacts(f *facts, spec Cluster, paused time.Duration) {
	f.open, f.period, f.duration, f.expiresAt, f.renewing = true, a.period, a.duration, a.expiresAt(), a.renewing
	f.lastReceived = later(a.lastReceived, a.conn.lastReceivedAt()).Add(paused - a.pausedBefore)
	f.outdated = !a.cluster.sameSession(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != a.identity.ClusterUID
}

// renew sends a Renew.
func (w *worker) renew() {
	active := w.active
	active.renewal, active.renewing = active.renewal+1, true
	active.conn.tryWrite(&wire.Renew{Renewal: active.renewal, Duration: active.cluster.SessionDuration, Signature: active.signer.sign(token.DomainRenew, active.nonce)})
}

// stopMessages has the messages of Stop by end reason.
var stopMessages = map[string]string{
	endStopping:  "the master is shutting down",
	endSuspended: "the cluster is suspended",
	endDeleted:   "the cluster's ClusterAgent was deleted",
	endInvalid:   "the cluster's ClusterAgent is invalid",
	endChanged:   "the cluster's ClusterAgent was changed",
}

// stopSession sends Stop, and ends the session.
func (w *worker) stopSession(reason string) {
	w.active.conn.tryWrite(&wire.Stop{Message: stopMessages[reason]})
	w.endSession(sessionEnd{reason: reason})
}

// endSession ends the open session, whichever side ended it: it closes the connection, updates the status and
// calls the event handlers.
func (w *worker) endSession(e sessionEnd) {
	active := w.active
	w.active = nil
	active.releaseHandshake()
	e.age, e.duration, e.reports = time.Since(active.grantedAt), active.duration, active.reports
	w.children.Go(func() { active.conn.close(e.closeStatus()) })
	w.commitReportSize()
	w.sessions.log.Debug("session ended", "cluster", w.name, "session", active.info.ID, "reason", e.reason)
	if active.reports > 0 {
		w.notifySessionEnd(time.Now())
	}
	if w.handleEnd(e).keepSession && w.hasDemand() {
		w.retained.resume = active.info
	}
}

// closeStatus returns the code and reason of the close frame.
func (e sessionEnd) closeStatus() (websocket.StatusCode, string) {
	switch {
	case e.resync:
		return wire.CloseResync, e.failure.Error()
	case e.reason == endSilent:
		return wire.CloseSilent, e.failure.Error()
	case e.failure != nil && e.failure.reason == ProtocolError:
		return wire.CloseProtocol, e.failure.Error()
	}
	return closeNormal, e.reason
}

// handleEnd updates the status after the end of an attempt or session, starts back-off if it failed, and
// wakes readers.
func (w *worker) handleEnd(e sessionEnd) outcome {
	now := time.Now()
	if e.resync {
		w.retained.resyncs.add(now)
	}
	if e.overBudget {
		w.retained.refusedAt = now
	}
	next := outcomeOf(e, w.retained.resyncs.exceeded(now))
	w.retained.noBase, w.retained.resume = !next.keepBase, Info{}
	w.failing, w.retryAt = next.backOff, time.Time{}
	if next.backOff {
		w.retained.failures++
		w.retryAt = now.Add(backoff(w.retained.failures, w.sessions.config.Random()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastFailure, w.backoffUntil = next.failure, w.retryAt
	w.updateStatusLocked(func(s *Status) {
		s.Session.Phase = Idle
		if next.backOff {
			s.Session.Phase = Backoff
			s.setFailed(next.failure)
		}
		if e.reason != "" {
			s.LastEndReason = e.reason
		}
	})
	w.notifyWaiters()
	return next
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
