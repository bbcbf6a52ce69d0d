package main

import (
	"context"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// baseOf returns the base that a master with the given state requests.
func baseOf(s *state.State) *wire.Base {
	if s == nil {
		return nil
	}
	base := &wire.Base{Epoch: s.Epoch, Seq: s.Seq}
	if s.Usage != nil {
		base.Usage = s.Usage.N
	}
	return base
}

// acknowledge sends an Ack after a bookmark, as flow control requires.
func (s *session) acknowledge(ctx context.Context, m wire.AgentMessage) error {
	bookmark, ok := m.(*wire.Bookmark)
	if !ok {
		return nil
	}
	return s.conn.Send(ctx, &wire.Ack{Seq: bookmark.Seq})
}
