package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/session/dial"
)

// activeSession is an open session on one connection: it applies the agent's messages to the State, and answers
// them. It belongs to the worker.
type activeSession struct {
	*dial.Session
	sessions *Sessions
	account  *budget.Account
	// hasWaiters reports whether a request waits for a report.
	hasWaiters func() bool
	// cluster is the Registry's entry for which it was opened.
	cluster Cluster
	// owner reports whether this master owns the cluster. Otherwise it is a guest, which publishes the reports for its own
	// readers only.
	owner bool
	term  uint64
	info  Info

	grantedAt    time.Time // when the last grant was received
	lastReceived time.Time // when the last processed message was received
	// pausedBefore is the total time for which this process was paused before lastReceived.
	pausedBefore time.Duration
	renewal      uint32 // the number of the last Renew
	renewing     bool

	receiver     *wire.Receiver
	lateDetector lateDetector
	// reports is the number of published reports.
	reports int
	// releaseHandshake releases the slot of Limits.Handshakes. It may be called several times.
	releaseHandshake func()
	// frames has the frames of the snapshot that is being received.
	frames snapshotFrames
}

// newActiveSession returns the session that a dial has opened. resume is the session that it continues if it has
// the same ID.
func newActiveSession(c *clusterState, d *pendingDial, r dialResult, resume Info) *activeSession {
	s := c.sessions
	a := &activeSession{
		Session: r.session, sessions: s, account: c.account, hasWaiters: c.hasWaiters, cluster: d.cluster, owner: d.owner, term: r.term,
		info:         Info{ID: d.session, Phase: Connecting, Holder: s.config.Holder, StartedAt: r.session.ReceivedAt},
		grantedAt:    r.session.ReceivedAt,
		lastReceived: r.session.ReceivedAt, pausedBefore: s.pauses.total(r.session.ReceivedAt),
		receiver: wire.NewReceiver(r.session.Hello.Epoch, d.base), lateDetector: newLateDetector(r.session.HelloAt),
		releaseHandshake: r.releaseHandshake,
	}
	if d.session == resume.ID {
		a.info.StartedAt = resume.StartedAt
	}
	a.info.ExpiresAt = a.expiresAt()
	a.receiver.SetBudget(c.account, d.baseSize)
	return a
}

// messages returns the channel of the agent's messages, or nil if no session is open.
func (a *activeSession) messages() <-chan dial.Message {
	if a == nil {
		return nil
	}
	return a.Messages()
}

func (a *activeSession) expiresAt() time.Time { return a.grantedAt.Add(a.Grant.Duration) }

// addInputs sets the inputs that describe the open session. A pause of this process since the last message does not
// count as silence of the agent.
func (a *activeSession) addInputs(in *inputs, spec Cluster) {
	in.period, in.duration, in.expiresAt, in.renewing = a.Grant.Period, a.Grant.Duration, a.expiresAt(), a.renewing
	in.guest = !a.owner
	in.lastReceived = later(a.lastReceived, a.LastReceivedAt()).Add(a.sessions.pauses.total(in.now) - a.pausedBefore)
	in.outdated = !a.cluster.sameSession(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != a.Identity.ClusterUID
}

// silence returns the time since the last processed message, without pauses of this process.
func (a *activeSession) silence(now time.Time) time.Duration {
	return now.Sub(a.lastReceived) - (a.sessions.pauses.total(now) - a.pausedBefore)
}

// renew sends a Renew.
func (a *activeSession) renew() {
	a.renewal, a.renewing = a.renewal+1, true
	a.Renew(a.renewal, a.cluster.SessionDuration)
}

// renewed processes the answer to a Renew. It returns a sessionEnd if it is not acceptable.
func (a *activeSession) renewed(m *wire.SubscribeResponse, at time.Time) *sessionEnd {
	if !a.renewing || m.Renewal != a.renewal {
		e := resyncEnd(fmt.Errorf("the agent sent a grant for renewal %d, which was not requested", m.Renewal))
		return &e
	}
	if f := a.Renewed(m); f != nil {
		return &sessionEnd{reason: endRefused, failure: f}
	}
	a.renewing, a.grantedAt = false, at
	a.info.ExpiresAt = a.expiresAt()
	return nil
}

// stopMessages has the messages of Stop by end reason.
var stopMessages = map[string]string{
	endStopping:   "the master is shutting down",
	endSuspended:  "the cluster is suspended",
	endDeleted:    "the cluster's ClusterAgent was deleted",
	endInvalid:    "the cluster's ClusterAgent is invalid",
	endChanged:    "the cluster's ClusterAgent was changed",
	endGuest:      "another session reports to this master",
	endSuperseded: "another master owns the cluster",
}

// sendStop sends Stop.
func (a *activeSession) sendStop(reason string) {
	a.TryWrite(&wire.Stop{Message: stopMessages[reason]})
}

// received records that a message was received.
func (a *activeSession) received(m dial.Message) {
	a.lastReceived, a.pausedBefore = m.ReceivedAt, a.sessions.pauses.total(m.ReceivedAt)
	a.sessions.metrics.received.Add(float64(len(m.Data)))
}

// readErrorEnd returns the sessionEnd for an error of the connection or of a message. An agent ends a session
// whose reports are not acknowledged. If that happened while this process was paused, it is not a failure of
// the agent.
func (a *activeSession) readErrorEnd(m dial.Message) sessionEnd {
	if errors.Is(m.Err, wire.ErrResync) {
		return resyncEnd(m.Err)
	}
	since := later(m.ReceivedAt.Add(-wire.SilenceTimeout(a.Grant.Period)), a.grantedAt)
	if pause := a.sessions.pauses.lastSince(since, m.ReceivedAt); pause > 0 {
		a.sessions.config.Log.Info("the connection broke while this process was paused; dialing again",
			"cluster", a.cluster.Name, "session", a.info.ID, "pause", pause.Round(time.Millisecond))
		return sessionEnd{reason: endPaused}
	}
	return lostEnd(m.Err)
}

// apply applies a part of a report. When a Bookmark has verified the report, it acknowledges it, and returns its
// State. It returns a sessionEnd if the message cannot be applied.
func (a *activeSession) apply(m dial.Message) (*wire.LazyState, *sessionEnd) {
	l, err := a.receiver.Receive(m.Message, m.ReceivedAt)
	switch {
	case errors.Is(err, wire.ErrBudget):
		e := overBudgetEnd(err)
		return nil, &e
	case err != nil:
		e := resyncEnd(err)
		return nil, &e
	}
	bookmark, ok := m.Message.(*wire.Bookmark)
	if !ok {
		return nil, nil
	}
	a.TryWrite(&wire.Ack{Seq: bookmark.Seq})
	return l, nil
}

// isLate reports whether a Bookmark was delayed much longer than the fastest message.
func (a *activeSession) isLate(m dial.Message) bool {
	bookmark, ok := m.Message.(*wire.Bookmark)
	return ok && a.lateDetector.isLate(m.ReceivedAt, bookmark.Sent, a.Grant.Period)
}

// isExpensive reports whether the next message may take milliseconds: it is part of a snapshot or of the
// session's first report, in which event handlers read all objects.
func (a *activeSession) isExpensive() bool { return a.reports == 0 || a.frames.size > 0 }

// acquireCPU waits until expensive work may be done, and returns a function that ends it. Clusters with waiting
// readers come first. The error is that of the context.
func (a *activeSession) acquireCPU(ctx context.Context) (release func(), err error) {
	return a.sessions.limits.CPU.Acquire(ctx, 1, a.hasWaiters)
}

// compact returns the received State with compact objects, some kilobytes instead of some hundred. They stay decoded
// until they are evicted. Decoding 300 containers again takes about a millisecond. A snapshot that was just received is
// kept as its frames. On an error compact returns l.
func (a *activeSession) compact(ctx context.Context, l *wire.LazyState) *wire.LazyState {
	if a.frames.frames != nil {
		return a.receiver.CompactAs(a.sessions.codec, a.frames.frames)
	}
	if !l.IsCompact() && !a.isExpensive() {
		release, err := a.acquireCPU(ctx)
		if err != nil {
			return l
		}
		defer release()
	}
	compact, err := a.receiver.Compact(a.sessions.codec)
	if err != nil {
		a.sessions.config.Log.Debug("cannot compact the objects", "cluster", a.cluster.Name, "error", err)
		return l
	}
	return compact
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
