package fault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/tlsfiles"
)

// Config is what a Relay needs.
type Config struct {
	// Agent is the endpoint to relay to, ws:// or wss://, whose certificate is not
	// looked at.
	Agent string
	// Listener is where the master dials; nil: a free port of the loopback interface.
	// The Relay closes it.
	Listener net.Listener
	// TLS has the master see a certificate, of which Pin tells.
	TLS bool
	// Dial connects to the agent below TLS; nil: to the host of Agent by TCP.
	Dial func(ctx context.Context) (net.Conn, error)
	// Happened is called with each fault when it is over; nil: not.
	Happened func(Happened)
}

// Relay stands between a master and an agent. See Run.
type Relay struct {
	config Config
	agent  *url.URL
	pin    string

	mu          sync.Mutex
	plan        Plan
	connections map[*connection]bool
	count       int
	ended       bool
	handlers    sync.WaitGroup

	// ctx ends with Run.
	ctx context.Context
	end context.CancelFunc
}

// New listens; nobody is answered before Run.
func New(c Config) (*Relay, error) {
	agent, err := url.Parse(c.Agent)
	if err != nil {
		return nil, fmt.Errorf("parse the agent's endpoint: %w", err)
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", agent.Host)
		}
	}
	if c.Happened == nil {
		c.Happened = func(Happened) {}
	}
	r := &Relay{agent: agent, connections: map[*connection]bool{}}
	if c.Listener == nil {
		if c.Listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	if c.TLS {
		if c.Listener, r.pin, err = withCertificate(c.Listener); err != nil {
			return nil, errors.Join(err, c.Listener.Close())
		}
	}
	r.config = c
	r.ctx, r.end = context.WithCancel(context.Background())
	return r, nil
}

// withCertificate is a listener that shows a certificate of its own.
func withCertificate(l net.Listener) (_ net.Listener, pin string, _ error) {
	pair, err := tlsfiles.SelfSigned("relay", []string{"127.0.0.1"}, 24*time.Hour)
	if err != nil {
		return l, "", err
	}
	certificate, err := pair.Certificate()
	if err != nil {
		return l, "", err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	return tls.NewListener(l, config), tlsfiles.Pin(certificate.Leaf), nil
}

// Endpoint is what a master dials.
func (r *Relay) Endpoint() string {
	scheme := "ws://"
	if r.config.TLS {
		scheme = "wss://"
	}
	return scheme + r.config.Listener.Addr().String()
}

// Pin is of the certificate that a master sees, as a ClusterAgent's pinnedSHA256 has
// it; empty without TLS.
func (r *Relay) Pin() string { return r.pin }

// Follow has a plan decide on every message from now on; nil: all pass.
func (r *Relay) Follow(p Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = p
}

// Cut cuts every connection at once, and gives how many there were.
func (r *Relay) Cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.connections)
	for c := range r.connections {
		c.cut()
	}
	return n
}

// Open is how many connections there are.
func (r *Relay) Open() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.connections)
}

// Run relays until ctx is done or Close is called, and returns when all is closed.
func (r *Relay) Run(ctx context.Context) error {
	defer r.end()
	defer context.AfterFunc(ctx, r.end)()
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: handshakeTimeout, ErrorLog: log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	defer context.AfterFunc(r.ctx, func() { _ = server.Close() })()
	err := server.Serve(r.config.Listener)
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.Cut()
	r.handlers.Wait()
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) && r.ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("relay to %s: %w", r.agent.Host, err)
}

// Close ends Run; without one it frees the listener.
func (r *Relay) Close() {
	r.end()
	_ = r.config.Listener.Close()
}

// connKey is where a request's context has its connection.
type connKey struct{}

// enter counts a handler that Run waits for.
func (r *Relay) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.handlers.Add(1)
	}
	return !r.ended
}

// add takes in a connection, and gives it its number.
func (r *Relay) add(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.number = r.count
	r.count++
	r.connections[c] = true
	if r.ended {
		c.cut()
	}
}

func (r *Relay) remove(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.connections, c)
}

// decide is what happens to a message.
func (r *Relay) decide(p Passage) Fault {
	r.mu.Lock()
	plan := r.plan
	r.mu.Unlock()
	if plan == nil {
		return Fault{}
	}
	return plan(p)
}

// subprotocols are those that a request offers.
func subprotocols(r *http.Request) (offered []string) {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(name))
		}
	}
	return offered
}
