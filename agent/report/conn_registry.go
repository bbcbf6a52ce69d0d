package report

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"sync"

	"rollcall.dev/rollcall/api/wire"
)

// connRegistry holds the open connections and the sessions on them. A master has at most one session.
type connRegistry struct {
	maxMasters int
	// empty is closed when no connection is open after shutDown was called.
	empty chan struct{}

	mu sync.Mutex
	// conns maps each open connection to the ID of the master that has a session on it, or to "" if it has no
	// session.
	conns   map[*conn]string
	closing bool
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

// acquireSession gives a connection the session of a master, and ends the master's older session on another
// connection. It returns an endError if maxMasters other masters have sessions.
func (r *connRegistry) acquireSession(c *conn, masterID string, ch *challenge) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var older *conn
	others := map[string]bool{}
	for other, id := range r.conns {
		switch id {
		case "":
		case masterID:
			older = other
		default:
			others[id] = true
		}
	}
	if len(others) >= r.maxMasters {
		return &endError{wire.EndBusy, fmt.Sprintf("the agent reports to %d other masters, which is its limit", len(others))}
	}
	if older != nil {
		older.terminate(&endError{wire.EndSuperseded, "the same master opened a newer session"})
		r.conns[older] = ""
	}
	r.conns[c], c.challenge = masterID, ch
	return nil
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
