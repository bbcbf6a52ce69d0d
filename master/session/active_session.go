package session

import (
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

const closeNormal = websocket.StatusNormalClosure

// activeSession is an open session, on one connection.
type activeSession struct {
	conn *conn
	// cluster is what it was dialed with, identity who answered.
	cluster  Cluster
	hello    *wire.Hello
	identity *wire.Identity
	term     uint64
	info     Info
	skew     clockSkew
	// signing signs Renews; nonce is what the next one is over.
	signer *connSigner
	nonce  []byte

	period, duration time.Duration
	grantedAt        time.Time // when the last grant came
	lastReceived     time.Time // when the last frame came
	// paused is how long this process's pauses had taken together at heard.
	pausedBefore time.Duration
	renewal      uint32 // of the last Renew
	renewing     bool

	receiver     *wire.Receiver
	lateDetector lateDetector
	// reports is how many were published.
	reports int
	// begun gives back the place at the gate. It may be called again.
	releaseHandshake func()
	// snapshot are the frames of the one that came and that no Bookmark has ended yet,
	// unless their size is too much; 0: none came.
	snapshotFrames     [][]byte
	snapshotFramesSize int
}

// startSession starts the session of a successful dial.
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
	w.updateStatus(func(o *Status) { o.Session = active.info })
}

func (a *activeSession) expiresAt() time.Time { return a.grantedAt.Add(a.duration) }

// addFacts adds the facts of an open session. paused is the total time for which this process was
// paused: a pause since the last frame does not count as the agent's silence.
func (a *activeSession) addFacts(f *facts, spec Cluster, paused time.Duration) {
	f.open, f.period, f.duration, f.expiresAt, f.renewing = true, a.period, a.duration, a.expiresAt(), a.renewing
	f.lastReceived = later(a.lastReceived, a.conn.lastReceivedAt()).Add(paused - a.pausedBefore)
	f.outdated = !a.cluster.sameSession(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != a.identity.ClusterUID
}

// renew asks for another duration.
func (w *worker) renew() {
	active := w.active
	active.renewal, active.renewing = active.renewal+1, true
	active.conn.tryWrite(&wire.Renew{Renewal: active.renewal, Duration: active.cluster.SessionDuration, Signature: active.signer.sign(token.DomainRenew, active.nonce)})
}

// stopWords is what an agent is told when its session is stopped.
var stopMessages = map[string]string{
	endStopping:  "the master is shutting down",
	endSuspended: "the cluster is suspended",
	endDeleted:   "the cluster's ClusterAgent is gone",
	endInvalid:   "the cluster's ClusterAgent cannot be used",
	endChanged:   "the cluster's ClusterAgent was changed",
}

// stopSession tells the agent to stop, and closes the connection.
func (w *worker) stopSession(reason string) {
	w.active.conn.tryWrite(&wire.Stop{Message: stopMessages[reason]})
	w.endSession(sessionEnd{reason: reason})
}

// endSession records the end of the open session, by either side.
func (w *worker) endSession(e sessionEnd) {
	active := w.active
	w.active = nil
	active.releaseHandshake()
	e.age, e.duration, e.reports = time.Since(active.grantedAt), active.duration, active.reports
	w.children.Go(func() { active.conn.close(e.closeStatus()) })
	w.holdReportSize()
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

// handleEnd does what follows an ending: whoever waits looks again, and either back-off
// begins or, if the cluster is wanted, the next dial at once.
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
	w.updateStatusLocked(func(o *Status) {
		o.Session.Phase = Idle
		if next.backOff {
			o.Session.Phase = Backoff
			o.setFailed(next.failure)
		}
		if e.reason != "" {
			o.LastEndReason = e.reason
		}
	})
	w.notifyWaiters()
	return next
}
