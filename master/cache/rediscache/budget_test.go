package rediscache

import (
	"errors"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// full is a Budget without room.
type full struct{}

func (full) Reserve(int64) error { return wire.ErrBudget }

func TestWhatIsReadCountsForTheBudget(t *testing.T) {
	c, now := offline(t, nil), time.Now()
	base, log, bookmark := storedFrames(t, c.codec)
	found := sealed(c.keys.signing, base, log, now)
	found.head["bookmark"] = string(bookmark)
	found.head.sign(c.keys.signing, "prod-eu")
	e, err := c.reader("prod-eu").takeIn(found, now, time.Minute)
	if err != nil || e.Size == 0 {
		t.Fatalf("without a budget: %d bytes, %v", e.Size, err)
	}
	c.budget = func(string) wire.Budget { return full{} }
	if _, err := c.reader("prod-eu").takeIn(found, now, time.Minute); !errors.Is(err, wire.ErrBudget) {
		t.Errorf("with a budget without room: %v, want ErrBudget", err)
	}
}
