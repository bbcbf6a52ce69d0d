package main

import (
	"context"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// codec decodes an agent's frames.
type codec = *wire.Codec

func newCodec() codec { return wire.NewCodec() }

// baseOf returns the base that a master with a state sends.
func baseOf(held *state.State) *wire.Base {
	if held == nil {
		return nil
	}
	base := &wire.Base{Epoch: held.Epoch, Seq: held.Seq}
	if held.Usage != nil {
		base.Usage = held.Usage.N
	}
	return base
}

// acknowledge does what flow control asks for after a bookmark.
func (s *session) acknowledge(ctx context.Context, m wire.AgentMessage) error {
	bookmark, ok := m.(*wire.Bookmark)
	if !ok {
		return nil
	}
	return s.write(ctx, &wire.Ack{Seq: bookmark.Seq})
}
