package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/session/dial"
)

// startSession starts the session that a dial has opened.
func (w *worker) startSession(d *pendingDial, r dialResult) {
	w.active = newActiveSession(w.cluster, d, r, w.attempts.resume)
	w.attempts.resume = Info{}
	if d.owner {
		w.attempts.term = r.term
	}
	w.active.Start()
	w.cluster.update(func() { w.cluster.status.Session = w.active.info })
}

// handleMessage processes a message of the open session, or the error that ends it.
func (w *worker) handleMessage(ctx context.Context, m dial.Message) {
	defer m.Release()
	w.active.received(m)
	if m.Err != nil {
		w.endSession(w.active.readErrorEnd(m))
		return
	}
	switch body := m.Message.(type) {
	case *wire.SubscribeResponse:
		if e := w.active.renewed(body, m.ReceivedAt); e != nil {
			w.endSession(*e)
			return
		}
		w.cluster.update(func() { w.cluster.status.Session.ExpiresAt = w.active.info.ExpiresAt })
	case *wire.End:
		w.endSession(agentEnd(body, w.active.owner))
	case *wire.Snapshot, *wire.Delta, *wire.Usage, *wire.Status, *wire.Bookmark:
		w.handleReport(ctx, m)
	default:
		w.endSession(resyncEnd(fmt.Errorf("the agent sent %T, which is not allowed in a session", m.Message)))
	}
}

// handleReport processes a part of a report, and publishes the report when it is complete.
func (w *worker) handleReport(ctx context.Context, m dial.Message) {
	a := w.active
	if _, ok := m.Message.(*wire.Snapshot); ok {
		if err := a.frames.keep(m.Data, a.account); err != nil {
			w.endSession(overBudgetEnd(err))
			return
		}
	}
	if a.isExpensive() {
		release, err := a.acquireCPU(ctx)
		if err != nil {
			return // the master is shutting down, and the session is stopped next
		}
		defer release()
	}
	l, end := a.apply(m)
	if end == nil && l != nil {
		end = w.handleState(ctx, l, m)
		a.frames = snapshotFrames{}
		w.cluster.commitSize(a.receiver.Size())
	}
	if end != nil {
		w.endSession(*end)
	}
}

// handleState publishes a complete State. Its objects are compacted if nobody needs them.
func (w *worker) handleState(ctx context.Context, l *wire.LazyState, m dial.Message) *sessionEnd {
	r, err := w.newReport(l, m.ReceivedAt, w.active.isLate(m))
	if err != nil {
		e := resyncEnd(err)
		return &e
	}
	if r == nil {
		return nil
	}
	compact := w.cluster.shouldCompact(l, m.ReceivedAt, w.active.reports == 0)
	if compact {
		r.LazyState = w.active.compact(ctx, l)
	}
	r.Size = w.active.receiver.EvictedSize()
	if end := w.publish(ctx, r); end != nil {
		return end
	}
	if compact {
		r.Evict()
	}
	return nil
}

// newReport returns the report for a State. A late report does not extend freshness: it expires with the
// report before it. If there is none, newReport returns nil.
func (w *worker) newReport(l *wire.LazyState, at time.Time, late bool) (*Report, error) {
	a, c := w.active, w.cluster
	info := a.info
	info.Phase = Reporting
	r := &Report{
		Cluster: c.name, UID: a.Identity.ClusterUID, KubernetesVersion: a.Identity.KubernetesVersion, AgentVersion: a.Identity.AgentVersion, Term: a.term,
		ReceivedAt: at, ExpiresAt: at.Add(a.cluster.CacheTTL), TTL: a.cluster.CacheTTL, Session: info,
	}
	var prev *Report
	var ignore []state.Ignore
	c.read(func() { prev, ignore, r.DemandUntil = c.report, c.spec.Ignore, c.demand.endAt(at, c.spec, a.owner) })
	if late {
		if prev == nil {
			return nil, nil
		}
		r.ReceivedAt, r.ExpiresAt, r.TTL = prev.ReceivedAt, prev.ExpiresAt, prev.TTL
	}
	if err := setState(r, prev, l, ignore, at); err != nil {
		return nil, err
	}
	return r, nil
}

// publish publishes a report, calls the event handlers and, if this master is the owner, passes the report to the Store
// before. If the Store or a report of another master says that another one owns the cluster, publish only returns a
// sessionEnd.
func (w *worker) publish(ctx context.Context, r *Report) *sessionEnd {
	a, c := w.active, w.cluster
	a.reports++
	a.releaseHandshake()
	var err error
	if c.hasTermAbove(r.Term) {
		err = cache.ErrSuperseded
	} else if a.owner {
		err = w.storeWriter(ctx).Save(r)
	}
	if errors.Is(err, cache.ErrSuperseded) {
		a.sendStop(endSuperseded)
		e := supersededEnd()
		return &e
	}
	if err != nil {
		w.sessions.metrics.unstored.Inc()
	}
	w.attempts.succeeded(r.ReceivedAt)
	c.update(func() {
		if a.info.Phase != Reporting {
			a.info.Phase = Reporting
			c.status.Session = a.info
			c.status.setSucceeded(a.Agent, w.sessions.config.Version)
		}
		c.publish(r)
	})
	w.attempts.following = false
	w.sessions.notifyReport(r, w.attempts.usage.replace(r.LazyState), a.owner)
	return nil
}

// hasTermAbove reports whether the current report has a higher term, because it came from another master.
func (c *clusterState) hasTermAbove(term uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report != nil && c.report.Version().Term > term
}

// shouldCompact reports whether the objects of l are to be compacted: the cluster has no readers, and the
// report changed no object or is the first of the session. A cluster that changes with every report would
// otherwise be compacted and decoded each time.
func (c *clusterState) shouldCompact(l *wire.LazyState, now time.Time, first bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.demand.recent(now) {
		return false
	}
	return first || c.report != nil && c.report.HasState() && c.report.ObjectsID() == l.ObjectsID()
}

// abortSession ends the session of a silent agent, or one that outlived its duration. If a message is
// waiting, since the worker was busy, it processes the message instead.
func (w *worker) abortSession(ctx context.Context, reason string) {
	select {
	case m := <-w.active.Messages():
		w.handleMessage(ctx, m)
	default:
		w.endSession(abortEnd(reason, w.active.silence(time.Now())))
	}
}

// endSession ends the open session, whichever side ended it: it closes the connection, updates the status and
// calls the event handlers.
func (w *worker) endSession(e sessionEnd) {
	a := w.active
	w.active = nil
	a.releaseHandshake()
	e.age, e.duration, e.reports = time.Since(a.grantedAt), a.Grant.Duration, a.reports
	w.children.Go(func() { a.Close(e.closeStatus()) })
	w.cluster.commitReportSize()
	w.sessions.config.Log.Debug("session ended", "cluster", w.cluster.name, "session", a.info.ID, "reason", e.reason)
	if a.reports > 0 {
		w.sessions.notifySessionEnd(w.cluster.name, time.Now(), a.owner)
	}
	if w.handleEnd(e).keepSession && w.cluster.hasDemand() {
		w.attempts.resume = a.info
	}
}

// closeStatus returns the code and reason of the close frame.
func (e sessionEnd) closeStatus() (websocket.StatusCode, string) {
	switch {
	case e.resync:
		return wire.CloseResync, e.failure.Error()
	case e.reason == endSilent:
		return wire.CloseSilent, e.failure.Error()
	case e.failure != nil && e.failure.Reason == dial.ProtocolError:
		return wire.CloseProtocol, e.failure.Error()
	}
	return websocket.StatusNormalClosure, e.reason
}
