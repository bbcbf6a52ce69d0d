package report

import (
	"context"
	"fmt"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// session reports to one master. Only the goroutine of run may use it.
type session struct {
	peer           *peer
	conn           *conn
	challenge      *challenge
	store          *snapshot.Store
	subscribeUsage func() (release func())

	granted    wire.SubscribeResponse
	owner      bool
	maxSession time.Duration

	schedule  schedule
	ackWindow ackWindow
	flusher   flusher
}

// newSession returns the session that req requests and granted answers. start is when the connection was opened.
func newSession(h *Handler, p *peer, c *conn, ch *challenge, req *wire.SubscribeRequest, granted wire.SubscribeResponse, start time.Time) *session {
	return &session{
		peer: p, conn: c, challenge: ch, store: h.cfg.Store, subscribeUsage: h.cfg.SubscribeUsage,
		granted: granted, owner: req.Owner, maxSession: h.cfg.MaxSession,
		flusher: newFlusher(p, h.frames, h.cfg.OnSnapshotSent, start, req.Base, h.cfg.Store.Current()),
	}
}

// run reports until the session ends, and returns the reason as an error. Its select has these cases:
//   - the timer: a tick, the end of gathering changes, the end of the session, the silence timeout, or maxSleep
//   - a new Version
//   - a message of the master: Ack, Renew or Stop
//   - another goroutine ended the session: it was superseded, the agent shuts down, or its key was removed
//   - the connection is closed
func (s *session) run(ctx context.Context) error {
	if s.subscribeUsage != nil {
		defer s.subscribeUsage()()
	}
	versions := s.store.Subscribe()
	defer versions.Close()
	if err := s.peer.send(ctx, &s.granted); err != nil {
		return err
	}
	s.schedule = newSchedule(time.Now(), s.granted)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if end := s.conn.terminatedBy(); end != nil {
			return end
		}
		if err := s.runDue(ctx); err != nil {
			return err
		}
		timer.Reset(min(time.Until(s.schedule.nextWake(s.ackWindow.open())), maxSleep))
		select {
		case <-timer.C:
		case <-versions.C:
			s.schedule.changed = s.flusher.seq != s.store.Current().State.Seq
		case m := <-s.peer.messages:
			if end := s.conn.terminatedBy(); end != nil {
				return end // a superseded owner cannot renew
			}
			if err := s.handleMessage(ctx, m); err != nil {
				return err
			}
		case end := <-s.conn.terminated:
			return end
		case <-s.peer.closed:
			return s.peer.readErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// runDue sends a flush if one is due and the window is open. It returns an error if the session has expired or the
// master is silent.
func (s *session) runDue(ctx context.Context) error {
	now := time.Now()
	s.schedule.wake(now)
	switch {
	case s.schedule.expired(now):
		return &endError{wire.EndExpired, fmt.Sprintf("the session's duration of %s is over", s.granted.Duration)}
	case s.schedule.silent(now):
		return &violationError{wire.CloseSilent, fmt.Sprintf("no Ack for %s", now.Sub(s.schedule.lastAck))}
	case !s.ackWindow.open() || !s.schedule.due(now):
		return nil
	}
	sent, err := s.flusher.flush(ctx, s.store.Current(), now)
	if err != nil {
		return err
	}
	s.ackWindow.add(sent)
	s.schedule.flushed(now, time.Now())
	return nil
}

// handleMessage handles one message of the master.
func (s *session) handleMessage(ctx context.Context, m wire.MasterMessage) error {
	switch m := m.(type) {
	case *wire.Ack:
		s.schedule.lastAck = time.Now()
		return s.ackWindow.ack(m.Seq)
	case *wire.Renew:
		return s.renew(ctx, m)
	case *wire.Stop:
		return &endError{wire.EndStopped, "the master sent Stop"}
	}
	return protocolViolation("got a %T within a session, want Ack, Renew or Stop", m)
}

// renew verifies a Renew, which the key that opened the session must have signed, and grants the session another
// duration from now.
func (s *session) renew(ctx context.Context, m *wire.Renew) error {
	if err := s.challenge.verify(token.Statement{Domain: token.DomainRenew, Session: s.granted.Session}, m.Signature); err != nil {
		return err
	}
	duration, err := grantDuration(m.Duration, s.granted.Period, s.maxSession)
	if err != nil {
		return err
	}
	s.granted.Duration, s.granted.Renewal = duration, m.Renewal
	s.granted.Nonce, s.granted.Identity, s.granted.Term = s.challenge.nextNonce(), nil, 0
	s.schedule.expires = time.Now().Add(duration)
	return s.peer.send(ctx, &s.granted)
}
