package session

import (
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// takeFrame processes a frame of the open connection.
func (w *worker) takeFrame(f frame) {
	defer f.release()
	l := w.live
	l.heard, l.paused = f.at, w.sessions.pauses.until(f.at)
	w.sessions.metrics.received.Add(float64(len(f.data)))
	if f.err != nil {
		w.end(w.broken(f))
		return
	}
	switch m := f.message.(type) {
	case *wire.SubscribeResponse:
		w.takeGrant(m, f.at)
	case *wire.End:
		w.end(endOf(m))
	case *wire.Snapshot, *wire.Delta, *wire.Usage, *wire.Status, *wire.Bookmark:
		w.takeReport(f)
	default:
		w.end(unfollowable(fmt.Errorf("%T has no place in a session", m)))
	}
}

// broken returns the ending for an error of the connection or of a frame. An agent ends a
// session that is not acknowledged: if this process was paused, the agent did what it should.
func (w *worker) broken(f frame) ending {
	if isResync(f.err) {
		return unfollowable(f.err)
	}
	sessions, l := w.sessions, w.live
	recently := f.at.Add(-wire.SilenceTimeout(l.period))
	if recently.Before(l.granted) {
		recently = l.granted
	}
	if pause := sessions.pauses.after(recently, f.at); pause > 0 {
		sessions.log.Info("a session broke while this master did not run, and begins anew", "cluster", w.name, "session", l.info.ID, "pause", pause.Round(time.Millisecond))
		return ending{word: endPaused}
	}
	return lost(f.err)
}

// takeGrant processes the response to a Renew.
func (w *worker) takeGrant(m *wire.SubscribeResponse, at time.Time) {
	l := w.live
	if !l.renewing || m.Renewal != l.renewal {
		w.end(unfollowable(fmt.Errorf("a grant with the number %d, which nobody asked for", m.Renewal)))
		return
	}
	if f := l.cluster.accepts(m); f != nil {
		l.link.tell(&wire.Stop{Message: f.Error()})
		w.end(ending{word: endRefused, fault: f})
		return
	}
	l.renewing, l.granted, l.period, l.duration, l.nonce = false, at, m.Period, m.Duration, m.Nonce
	l.info.ExpiresAt = l.expires()
	w.tell(func(o *Status) { o.Session.ExpiresAt = l.info.ExpiresAt })
}

// takeReport processes a part of a report, and publishes the report when a Bookmark has
// verified it.
func (w *worker) takeReport(f frame) {
	l := w.live
	if _, ok := f.message.(*wire.Snapshot); ok {
		if err := l.keepFrame(f.data, w.account); err != nil {
			w.end(refusedFor(err))
			return
		}
	}
	if l.isExpensive() {
		defer w.acquireCPU()()
	}
	s, err := l.receiver.Receive(f.message, f.at)
	switch {
	case errors.Is(err, wire.ErrBudget):
		w.end(refusedFor(err))
		return
	case err != nil:
		w.end(unfollowable(err))
		return
	}
	bookmark, ok := f.message.(*wire.Bookmark)
	if !ok {
		return
	}
	l.link.tell(&wire.Ack{Seq: bookmark.Seq})
	if v := w.valueOf(s, f.at, l.lateness.late(f.at, bookmark.Sent, l.period)); v != nil {
		rests := w.rests(s, f.at)
		if rests {
			v.State = w.compact(s)
		}
		v.size = l.receiver.EvictedSize()
		w.applied(v)
		if rests {
			v.State.EvictObjects()
		}
	}
	l.snapshot, l.snapshotSize = nil, 0
	w.hold(l.receiver.Size())
}

// valueOf returns the report for a State. A late report does not extend freshness: it expires
// with the report before it, or immediately if there is none.
func (w *worker) valueOf(s *state.State, at time.Time, late bool) *Report {
	l := w.live
	info := l.info
	info.Phase = Reporting
	v := &Report{
		Cluster: w.name, UID: l.identity.ClusterUID, KubernetesVersion: l.identity.KubernetesVersion, AgentVersion: l.identity.AgentVersion, Term: l.term,
		ReceivedAt: at, ExpiresAt: at.Add(l.cluster.CacheTTL), TTL: l.cluster.CacheTTL, Session: info,
	}
	w.mu.Lock()
	prev, ignore := w.value, w.spec.Ignore
	w.mu.Unlock()
	if late {
		if prev == nil {
			return nil
		}
		v.ReceivedAt, v.ExpiresAt, v.TTL = prev.ReceivedAt, prev.ExpiresAt, prev.TTL
	}
	v.of(s, prev, ignore, at)
	return v
}

// applied publishes a report, and has it saved.
func (w *worker) applied(v *Report) {
	l := w.live
	l.reports++
	l.begun()
	w.past.noBase = false
	if !w.past.resyncs.tooMany(v.ReceivedAt) {
		w.past.forgive(v.ReceivedAt)
	}
	w.failing = false
	if l.info.Phase != Reporting {
		l.info.Phase = Reporting
		w.tell(func(o *Status) {
			o.Session = l.info
			o.succeed(l.clock)
			o.meet(l.hello, l.identity)
		})
	}
	w.publish(v)
	w.tellReport(v)
	w.saves().offer(v.entry(w.demandEnds(v.ReceivedAt)), l.period)
}

// demandEnds returns when the demand known at a time ends.
func (w *worker) demandEnds(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted, until := w.wanted(now)
	if wanted && until.IsZero() {
		return now.Add(grace(w.spec))
	}
	return until
}
