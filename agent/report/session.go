package report

import (
	"context"
	"fmt"
	"time"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// session reports to one master. All of it belongs to the goroutine of run.
type session struct {
	peer      *peer
	caller    *caller
	challenge *challenge
	snapshot  *snapshot.Store
	useUsage  func() (release func())

	granted    wire.SubscribeResponse
	maxSession time.Duration

	schedule schedule
	window   window
	flusher  flusher
}

func newSession(h *Handler, p *peer, seat *caller, c *challenge, asked *wire.SubscribeRequest, granted wire.SubscribeResponse, began time.Time) *session {
	return &session{
		peer: p, caller: seat, challenge: c, snapshot: h.cfg.Store, useUsage: h.cfg.SubscribeUsage,
		granted: granted, maxSession: h.cfg.MaxSession,
		flusher: newFlusher(p, h.encodings, h.cfg.OnSnapshotSent, began, asked.Base, h.cfg.Store.Current()),
	}
}

// run reports until something ends it, and says what. It wakes for:
//   - its timer: a tick, the end of gathering, of the session, of patience, of maxSleep
//   - a new Version
//   - a message: Ack, Renew, Stop
//   - an order: superseded, shutting down, its key was removed
//   - a connection that is gone
func (s *session) run(ctx context.Context) error {
	if s.useUsage != nil {
		defer s.useUsage()()
	}
	news := s.snapshot.Subscribe()
	defer news.Close()
	if err := s.peer.send(ctx, &s.granted); err != nil {
		return err
	}
	s.schedule = newSchedule(time.Now(), s.granted)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if err := s.act(ctx); err != nil {
			return err
		}
		timer.Reset(min(time.Until(s.schedule.next(s.window.open())), maxSleep))
		select {
		case <-timer.C:
		case <-news.C:
			s.schedule.changed = s.flusher.seq != s.snapshot.Current().State.Seq
		case m := <-s.peer.messages:
			if err := s.hear(ctx, m); err != nil {
				return err
			}
		case end := <-s.caller.orders:
			return end
		case <-s.peer.gone:
			return s.peer.lost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// act does what is due.
func (s *session) act(ctx context.Context) error {
	now := time.Now()
	s.schedule.wake(now)
	switch {
	case s.schedule.expired(now):
		return &ended{wire.EndExpired, fmt.Sprintf("the session's %s are over", s.granted.Duration)}
	case s.schedule.silent(now):
		return &violation{wire.CloseSilent, fmt.Sprintf("no Ack for %s", now.Sub(s.schedule.heard))}
	case !s.window.open() || !s.schedule.due(now):
		return nil
	}
	sent, err := s.flusher.flush(ctx, s.snapshot.Current(), now)
	if err != nil {
		return err
	}
	s.window.sent(sent)
	s.schedule.flushed(now, time.Now())
	return nil
}

// hear takes in what the master says.
func (s *session) hear(ctx context.Context, m wire.MasterMessage) error {
	switch m := m.(type) {
	case *wire.Ack:
		s.schedule.heard = time.Now()
		return s.window.acked(m.Seq)
	case *wire.Renew:
		return s.renew(ctx, m)
	case *wire.Stop:
		return &ended{wire.EndStopped, "the master said stop"}
	}
	return protocolError("a %T within a session", m)
}

// renew begins the session's time anew, for the master that opened it and still may.
func (s *session) renew(ctx context.Context, m *wire.Renew) error {
	if err := s.challenge.check(token.DomainRenew, s.granted.Session, m.Signature); err != nil {
		return err
	}
	duration, err := grantDuration(m.Duration, s.granted.Period, s.maxSession)
	if err != nil {
		return err
	}
	s.granted.Duration, s.granted.Renewal = duration, m.Renewal
	s.granted.Nonce, s.granted.Identity = s.challenge.next(), nil
	s.schedule.expires = time.Now().Add(duration)
	return s.peer.send(ctx, &s.granted)
}
