package report

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// connRegistry holds the open connections and the sessions on them. A master has at most one session, and at most one
// session is an owner's.
type connRegistry struct {
	maxMasters int
	// empty is closed when no connection is open after shutDown was called.
	empty chan struct{}

	mu sync.Mutex
	// conns maps each open connection to the ID of the master that has a session on it, or to "" if it has no
	// session.
	conns map[*conn]string
	// owner is the connection with the session of the cluster's owner, or nil if there is none.
	owner *conn
	// lastTerm is the last term that was granted, or 0 if none was.
	lastTerm uint64
	closing  bool
}

// conn is the registry's handle of one connection.
type conn struct {
	// terminated receives the reason if another goroutine ends the connection.
	terminated chan *endError
	// challenge has the key that opened the session. It is nil if there is no session, or if no signatures are
	// required. connRegistry.mu guards it.
	challenge *challenge
}

// terminate ends a connection. Only the first reason has an effect.
func (c *conn) terminate(reason *endError) {
	select {
	case c.terminated <- reason:
	default:
	}
}

// terminatedBy returns the reason if another goroutine has ended the connection, or nil.
func (c *conn) terminatedBy() error {
	select {
	case end := <-c.terminated:
		return end
	default:
		return nil
	}
}

func newConnRegistry(maxMasters int) *connRegistry {
	return &connRegistry{maxMasters: maxMasters, empty: make(chan struct{}), conns: map[*conn]string{}}
}

// add registers a new connection. It returns a refusal if maxConnections are open or the agent shuts down.
func (r *connRegistry) add() (*conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closing:
		return nil, &refusal{http.StatusServiceUnavailable, "shutting down", "the agent is shutting down"}
	case len(r.conns) >= maxConnections:
		return nil, &refusal{http.StatusServiceUnavailable, "too many connections", fmt.Sprintf("the agent has %d open connections, which is its limit", maxConnections)}
	}
	c := &conn{terminated: make(chan *endError, 1)}
	r.conns[c] = ""
	return c, nil
}

// acquireSession gives a connection the session that a master requests, and returns its term. It ends the master's older
// session on another connection, and if req is an owner's, the session of the owner before. It returns an endError if
// maxMasters other masters have sessions.
func (r *connRegistry) acquireSession(c *conn, req *wire.SubscribeRequest, ch *challenge, now time.Time) (term uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var older *conn
	others := map[string]bool{}
	for other, id := range r.conns {
		switch {
		case id == "":
		case id == req.MasterID:
			older = other
		case !req.Owner || other != r.owner:
			others[id] = true
		}
	}
	if len(others) >= r.maxMasters {
		return 0, &endError{wire.EndBusy, fmt.Sprintf("the agent reports to %d other masters, which is its limit", len(others))}
	}
	if older != nil {
		r.supersede(older, "the same master opened a newer session")
	}
	if req.Owner {
		if r.owner != nil {
			r.supersede(r.owner, "another master owns the cluster now")
		}
		r.owner = c
	}
	r.conns[c], c.challenge = req.MasterID, ch
	if req.Term == 0 {
		return 0, nil
	}
	if req.Owner || r.lastTerm == 0 {
		r.lastTerm = nextTerm(r.lastTerm, req.Term, now)
	}
	return r.lastTerm, nil
}

// supersede ends the session on a connection. The caller holds r.mu.
func (r *connRegistry) supersede(c *conn, message string) {
	c.terminate(&endError{wire.EndSuperseded, message})
	r.conns[c] = ""
	if r.owner == c {
		r.owner = nil
	}
}

// nextTerm returns the term after last that an owner is granted who requests a term. Package wire specifies it.
func nextTerm(last, requested uint64, now time.Time) uint64 {
	limit := max(now.Add(wire.MaxTermLead).UnixMilli(), 0)
	return max(last+1, min(requested, uint64(limit)))
}

// endSessionsUnless ends the sessions whose key is not accepted.
func (r *connRegistry) endSessionsUnless(accepted func(ed25519.PublicKey) bool, reason func() *endError) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		if c.challenge != nil && !accepted(c.challenge.key) {
			c.terminate(reason())
		}
	}
}

// remove unregisters a closed connection.
func (r *connRegistry) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if r.owner == c {
		r.owner = nil
	}
	r.closeIfEmpty()
}

// shutDown ends all connections and refuses new ones. The returned channel is closed when all are closed.
func (r *connRegistry) shutDown(reason *endError) <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closing {
		return r.empty
	}
	r.closing = true
	for c := range r.conns {
		c.terminate(reason)
	}
	r.closeIfEmpty()
	return r.empty
}

// closeIfEmpty closes r.empty when the last connection is closed after shutDown. That happens once, because add
// registers no more connections then. The caller holds r.mu.
func (r *connRegistry) closeIfEmpty() {
	if r.closing && len(r.conns) == 0 {
		close(r.empty)
	}
}

// masterID returns the ID of the master that has a session on the connection, or "" if it has no session.
func (r *connRegistry) masterID(c *conn) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns[c]
}

// sessionCount returns the number of open sessions.
func (r *connRegistry) sessionCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, masterID := range r.conns {
		if masterID != "" {
			n++
		}
	}
	return n
}
