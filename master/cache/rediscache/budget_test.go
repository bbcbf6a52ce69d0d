package rediscache

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// exhaustedBudget is a wire.Budget that rejects every reservation.
type exhaustedBudget struct{}

func (exhaustedBudget) Reserve(int64) error { return wire.ErrBudget }

func TestLoadReservesMemory(t *testing.T) {
	c, now := offline(t, nil), time.Now()
	base, log, bookmark := storedFrames(t, c.codec)
	reply := signedReply(c.keys.signing, base, log, now)
	reply.head["bookmark"] = string(bookmark)
	reply.head.sign(c.keys.signing, "prod-eu")
	l, err := c.apply("prod-eu", reply, now, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if l.report.Size == 0 {
		t.Error("without a budget: got no size")
	}
	c.budget = func(string) wire.Budget { return exhaustedBudget{} }
	if _, err := c.apply("prod-eu", reply, now, time.Minute); !errors.Is(err, wire.ErrBudget) {
		t.Errorf("with an exhausted budget: got %v, want ErrBudget", err)
	}
}
