package main

import (
	"os"
	"runtime/debug"
	"sync"
)

// How much garbage there may be for all that is alive before it is collected. Most of an
// agent's memory is facts that stay, and Go's own 100 would be memory that is never
// needed again.
const (
	// gcPercent is that of the start: less would have the first lists, which make much
	// garbage, be read for twice as long.
	gcPercent = 20
	// gcPercentSettled is that of ever after, when there is little garbage.
	gcPercentSettled = 10
	// gcPercentEncoding is that of the moment when a snapshot is encoded: half of that
	// time would go into collecting, while somebody waits.
	gcPercentEncoding = 50
)

// collector sets the garbage collector as the agent's work needs it, unless GOGC says
// otherwise. A GOMEMLIMIT holds beside it, as ever.
type collector struct {
	isSet func(percent int)

	mu       sync.Mutex
	settled  bool
	encoding int // how many snapshots
}

// saveMemory has the collector keep to what the agent does, the start at first.
func saveMemory() *collector {
	c := &collector{isSet: func(percent int) { debug.SetGCPercent(percent) }}
	if os.Getenv("GOGC") != "" {
		c.isSet = func(int) {}
	}
	c.set()
	return c
}

// set is called with c.mu held, or before anybody else knows of c.
func (c *collector) set() {
	switch {
	case c.encoding > 0:
		c.isSet(gcPercentEncoding)
	case c.settled:
		c.isSet(gcPercentSettled)
	default:
		c.isSet(gcPercent)
	}
}

// Settled says that the whole cluster has been read.
func (c *collector) Settled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = true
	c.set()
}

// Encoding says that a snapshot is encoded, until done is called.
func (c *collector) Encoding() (done func()) {
	c.add(1)
	return func() { c.add(-1) }
}

func (c *collector) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.encoding += n
	c.set()
}
