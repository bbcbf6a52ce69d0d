package report

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"sync"

	"rollcall.dev/rollcall/api/wire"
)

// connRegistry holds the open connections, and the master that each one reports to.
type connRegistry struct {
	maxHolders int
	// empty is closed when the last has left after a shutdown.
	empty chan struct{}

	mu sync.Mutex
	// callers have a holder once they are seated.
	callers map[*caller]string
	closing bool
}

// caller is one connection as others see it.
type caller struct {
	// orders has the end that somebody else decided: a newer session, a shutdown.
	orders chan *ended
	// challenge is that of a caller with a session; nil: it has none, or wants no
	// signatures. The connRegistry's lock is for it.
	challenge *challenge
}

// order ends a caller; the first reason counts.
func (c *caller) order(e *ended) {
	select {
	case c.orders <- e:
	default:
	}
}

func newConnRegistry(maxHolders int) *connRegistry {
	return &connRegistry{maxHolders: maxHolders, empty: make(chan struct{}), callers: map[*caller]string{}}
}

// enter takes in a new connection.
func (r *connRegistry) enter() (*caller, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closing:
		return nil, &refusal{http.StatusServiceUnavailable, "shutting down", "the agent's process is ending"}
	case len(r.callers) >= maxConnections:
		return nil, &refusal{http.StatusServiceUnavailable, "crowded", fmt.Sprintf("%d connections are open, which is all that the agent takes", maxConnections)}
	}
	c := &caller{orders: make(chan *ended, 1)}
	r.callers[c] = ""
	return c, nil
}

// seat gives a caller a session for its holder, and ends an older one of the same.
func (r *connRegistry) seat(c *caller, holder string, signed *challenge) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var older *caller
	others := map[string]bool{}
	for other, h := range r.callers {
		switch h {
		case "":
		case holder:
			older = other
		default:
			others[h] = true
		}
	}
	if len(others) >= r.maxHolders {
		return &ended{wire.EndBusy, fmt.Sprintf("%d masters are reported to, which is all that the agent takes", len(others))}
	}
	if older != nil {
		older.order(&ended{wire.EndSuperseded, "the same master opened a newer session"})
		r.callers[older] = ""
	}
	r.callers[c], c.challenge = holder, signed
	return nil
}

// endUnless ends the sessions that were opened by a key which is not accepted.
func (r *connRegistry) endUnless(accepted func(ed25519.PublicKey) bool, e func() *ended) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.callers {
		if c.challenge != nil && !accepted(c.challenge.key) {
			c.order(e())
		}
	}
}

func (r *connRegistry) leave(c *caller) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.callers, c)
	r.tellEmpty()
}

// shutDown takes in nobody any more and ends everybody; the channel is closed when
// all have left.
func (r *connRegistry) shutDown(e *ended) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return r.empty
	}
	r.closing = true
	for c := range r.callers {
		c.order(e)
	}
	r.tellEmpty()
	return r.empty
}

// tellEmpty is called once with nobody left after a shutdown: nobody enters then.
func (r *connRegistry) tellEmpty() {
	if r.closing && len(r.callers) == 0 {
		close(r.empty)
	}
}

// holder is whom a caller reports to, empty if it is not seated.
func (r *connRegistry) holder(c *caller) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.callers[c]
}

// seated is how many have a session.
func (r *connRegistry) seated() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, holder := range r.callers {
		if holder != "" {
			n++
		}
	}
	return n
}
