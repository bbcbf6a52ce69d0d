package client

import (
	"reflect"
	"time"
)

// Freshness tells how far what a Cache holds can be trusted.
type Freshness struct {
	// Synced says that the cache has been filled.
	Synced bool
	// Connected says that the watch is open. While it is not, Err says why.
	Connected bool
	Err       error
	// Stale says that the contents are not to be taken for the present state: they are
	// not synced, the watch is not open, or the master hears nothing of the cluster.
	Stale bool
	// Session is how the master hears of the cluster.
	Session Session
	// Suspended says that the cluster must not be called for now.
	Suspended bool
	// Sections are those that cannot be read, each with its error.
	Sections []Section
	// ObservedAt, ReceivedAt and ResourceVersion are the last that the watch told, as
	// of the cluster, of the master, and of the contents.
	ObservedAt, ReceivedAt time.Time
	ResourceVersion        string
}

func (f Freshness) shown() Freshness {
	f.Stale = f.Stale || !f.Synced || !f.Connected
	return f
}

// lasting is what handlers are told of.
func (f Freshness) lasting() Freshness {
	f = f.shown()
	f.ObservedAt, f.ReceivedAt, f.ResourceVersion = time.Time{}, time.Time{}, ""
	return f
}

// judge changes the freshness, and tells of it. c.mu is not held.
func (c *Cache) judge(change func(*Freshness)) {
	c.mu.Lock()
	before := c.freshness.lasting()
	change(&c.freshness)
	now := c.freshness
	c.mu.Unlock()
	if reflect.DeepEqual(before, now.lasting()) {
		return
	}
	for _, h := range c.options.Handlers {
		if h.Freshness != nil {
			h.Freshness(now.shown())
		}
	}
}

func (c *Cache) disconnected(err error) {
	c.judge(func(f *Freshness) { f.Connected, f.Err = false, err })
}
