package session

import (
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

const closeNormal = websocket.StatusNormalClosure

// live is an open session, on one connection.
type live struct {
	link *link
	// cluster is what it was dialed with, identity who answered.
	cluster  Cluster
	hello    *wire.Hello
	identity *wire.Identity
	term     uint64
	info     Info
	clock    clock
	// signing signs Renews; nonce is what the next one is over.
	signing *signing
	nonce   []byte

	period, duration time.Duration
	granted          time.Time // when the last grant came
	heard            time.Time // when the last frame came
	// paused is how long this process's pauses had taken together at heard.
	paused   time.Duration
	renewal  uint32 // of the last Renew
	renewing bool

	receiver *wire.Receiver
	lateness lateness
	// reports is how many were published.
	reports int
	// begun gives back the place at the gate. It may be called again.
	begun func()
	// snapshot are the frames of the one that came and that no Bookmark has ended yet,
	// unless their size is too much; 0: none came.
	snapshot     [][]byte
	snapshotSize int
}

// open starts the session of a successful dial.
func (w *worker) open(c call, r reply) {
	l := &live{
		link: r.link, cluster: c.cluster, hello: r.hello, identity: r.identity, term: r.term, clock: r.clock,
		signing: r.signing, nonce: r.granted.Nonce,
		info:   Info{ID: c.session, Phase: Connecting, Holder: w.sessions.config.Holder, StartedAt: r.at},
		period: r.granted.Period, duration: r.granted.Duration, granted: r.at, heard: r.at,
		begun:    r.begun,
		receiver: wire.NewReceiver(r.hello.Epoch, c.base), lateness: newLateness(r.helloAt),
	}
	if c.session == w.past.resume.ID {
		l.info.StartedAt = w.past.resume.StartedAt
	}
	l.receiver.SetBudget(w.account, c.baseSize)
	l.info.ExpiresAt = l.expires()
	l.paused = w.sessions.pauses.until(r.at)
	w.past.resume = Info{}
	w.live = l
	w.children.Go(l.link.run)
	w.tell(func(o *Status) { o.Session = l.info })
}

func (l *live) expires() time.Time { return l.granted.Add(l.duration) }

// facts adds the facts of an open session. paused is the total time for which this process was
// paused: a pause since the last frame does not count as the agent's silence.
func (l *live) facts(f *facts, spec Cluster, paused time.Duration) {
	f.open, f.period, f.duration, f.expires, f.renewing = true, l.period, l.duration, l.expires(), l.renewing
	f.heard = latest(l.heard, l.link.lastCame()).Add(paused - l.paused)
	f.outdated = !l.cluster.dialsLike(spec) || spec.ExpectedUID != "" && spec.ExpectedUID != l.identity.ClusterUID
}

// renew asks for another duration.
func (w *worker) renew() {
	l := w.live
	l.renewal, l.renewing = l.renewal+1, true
	l.link.tell(&wire.Renew{Renewal: l.renewal, Duration: l.cluster.SessionDuration, Signature: l.signing.sign(token.DomainRenew, l.nonce)})
}

// stopWords is what an agent is told when its session is stopped.
var stopWords = map[string]string{
	endStopping:  "the master is shutting down",
	endSuspended: "the cluster is suspended",
	endDeleted:   "the cluster's ClusterAgent is gone",
	endInvalid:   "the cluster's ClusterAgent cannot be used",
	endChanged:   "the cluster's ClusterAgent was changed",
}

// stop tells the agent to stop, and closes the connection.
func (w *worker) stop(why string) {
	w.live.link.tell(&wire.Stop{Message: stopWords[why]})
	w.end(ending{word: why})
}

// end records the end of the open session, by either side.
func (w *worker) end(e ending) {
	l := w.live
	w.live = nil
	l.begun()
	e.lived, e.duration, e.reports = time.Since(l.granted), l.duration, l.reports
	w.children.Go(func() { l.link.close(e.closeStatus()) })
	w.settle()
	w.sessions.log.Debug("session ended", "cluster", w.name, "session", l.info.ID, "reason", e.word)
	if l.reports > 0 {
		w.tellEnd(time.Now())
	}
	if w.follow(e).keepSession && w.isWanted() {
		w.past.resume = l.info
	}
}

// closeStatus returns the code and reason of the close frame.
func (e ending) closeStatus() (websocket.StatusCode, string) {
	switch {
	case e.resync:
		return wire.CloseResync, e.fault.Error()
	case e.word == endSilent:
		return wire.CloseSilent, e.fault.Error()
	case e.fault != nil && e.fault.reason == ProtocolError:
		return wire.CloseProtocol, e.fault.Error()
	}
	return closeNormal, e.word
}

// follow does what follows an ending: whoever waits looks again, and either back-off
// begins or, if the cluster is wanted, the next dial at once.
func (w *worker) follow(e ending) afterEnd {
	now := time.Now()
	if e.resync {
		w.past.resyncs.add(now)
	}
	if e.overBudget {
		w.past.refused = now
	}
	a := after(e, w.past.resyncs.tooMany(now))
	w.past.noBase, w.past.resume = !a.keepBase, Info{}
	w.failing, w.retryAt = a.fail, time.Time{}
	if a.fail {
		w.past.failures++
		w.retryAt = now.Add(backoff(w.past.failures, w.sessions.config.Random()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastFault, w.retry = a.fault, w.retryAt
	w.tellLocked(func(o *Status) {
		o.Session.Phase = Idle
		if a.fail {
			o.Session.Phase = Backoff
			o.fail(a.fault)
		}
		if e.word != "" {
			o.LastEndReason = e.word
		}
	})
	w.notifyWaiters()
	return a
}
