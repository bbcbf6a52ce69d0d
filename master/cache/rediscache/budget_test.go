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
	c := &Cache{codec: wire.NewCodec()}
	base, log, bookmark := stored(t, c.codec)
	f := found{left: time.Second, base: string(base), log: []logEntry{{"1-1", string(log)}}, head: head{
		"epoch": "1", "term": "1", "base": "1", "bookmark": string(bookmark), "ttl": "10000", "life": "10000", "keep": "0", "demand": "0", "started": "0", "ends": "0",
	}}
	e, err := c.reader("a").takeIn(f)
	if err != nil || e.Size == 0 {
		t.Fatalf("without a budget: %d bytes, %v", e.Size, err)
	}
	c.budget = func(string) wire.Budget { return full{} }
	if _, err := c.reader("a").takeIn(f); !errors.Is(err, wire.ErrBudget) {
		t.Errorf("with a budget without room: %v, want ErrBudget", err)
	}
}
