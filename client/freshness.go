package client

import (
	"reflect"
	"time"
)

// Freshness describes how fresh the contents of a Cache are.
type Freshness struct {
	// Synced is true once the cache has been filled.
	Synced bool
	// Connected is true while the watch is open. Err says why it is not.
	Connected bool
	Err       error
	// Stale is true if the contents may not be current: the cache is not synced, the watch
	// is not open, or the master gets no reports of the cluster.
	Stale bool
	// Session is the session between the master and the cluster's agent.
	Session Session
	// Suspended is true if the master must not connect to the cluster's agent.
	Suspended bool
	// Sections are the sections that cannot be read, each with its error.
	Sections []Section
	// ObservedAt and ReceivedAt are those of the last Bookmark. ResourceVersion is the
	// version of the contents.
	ObservedAt, ReceivedAt time.Time
	ResourceVersion        string
}

func (f Freshness) withStale() Freshness {
	f.Stale = f.Stale || !f.Synced || !f.Connected
	return f
}

// withoutTimes returns f without the fields whose changes do not call a handler.
func (f Freshness) withoutTimes() Freshness {
	f = f.withStale()
	f.ObservedAt, f.ReceivedAt, f.ResourceVersion = time.Time{}, time.Time{}, ""
	return f
}

// updateFreshness changes the freshness, and calls the handlers. The caller must not hold
// c.mu.
func (c *Cache) updateFreshness(change func(*Freshness)) {
	c.mu.Lock()
	before := c.freshness.withoutTimes()
	change(&c.freshness)
	now := c.freshness
	c.mu.Unlock()
	if reflect.DeepEqual(before, now.withoutTimes()) {
		return
	}
	for _, h := range c.options.Handlers {
		if h.Freshness != nil {
			h.Freshness(now.withStale())
		}
	}
}

func (c *Cache) disconnected(err error) {
	c.updateFreshness(func(f *Freshness) { f.Connected, f.Err = false, err })
}
