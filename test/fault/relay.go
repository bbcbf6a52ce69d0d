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

// Config configures a Relay.
type Config struct {
	// Agent is the ws:// or wss:// endpoint to relay to. Its certificate is not verified.
	Agent string
	// Listener accepts the master's connections. Nil means a free port of the loopback
	// interface. The Relay closes it.
	Listener net.Listener
	// TLS enables TLS for the master, with a self-signed certificate; see Pin.
	TLS bool
	// Dial connects to the agent, without TLS. Nil means TCP to the host of Agent.
	Dial func(ctx context.Context) (net.Conn, error)
	// OnInjected, if it is not nil, is called when a fault is over.
	OnInjected func(Injected)
}

// Relay is a proxy between a master and an agent; see Run.
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

// New returns a Relay that listens. It accepts connections once Run is called.
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
	if c.OnInjected == nil {
		c.OnInjected = func(Injected) {}
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

// withCertificate returns a TLS listener with a self-signed certificate, and its pin.
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

// Endpoint returns the URL that a master dials.
func (r *Relay) Endpoint() string {
	scheme := "ws://"
	if r.config.TLS {
		scheme = "wss://"
	}
	return scheme + r.config.Listener.Addr().String()
}

// Pin returns the pin of the relay's certificate, as in the pinnedSHA256 of a ClusterAgent;
// empty without TLS.
func (r *Relay) Pin() string { return r.pin }

// SetPlan sets the plan for all further messages. Nil means no faults.
func (r *Relay) SetPlan(p Plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plan = p
}

// Cut cuts all connections, and returns how many there were.
func (r *Relay) Cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := len(r.connections)
	for c := range r.connections {
		c.cut()
	}
	return n
}

// Connections returns the number of connections.
func (r *Relay) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.connections)
}

// Run relays until ctx is done or Close is called. It returns once all connections are closed.
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

// Close ends Run, and closes the listener.
func (r *Relay) Close() {
	r.end()
	_ = r.config.Listener.Close()
}

// connKey is the context key of a request's connection.
type connKey struct{}

// register registers a request, for which Run waits. It returns false if Run has ended.
func (r *Relay) register() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.handlers.Add(1)
	}
	return !r.ended
}

// add registers a connection, and sets its number.
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

// remove removes a connection that has ended.
func (r *Relay) remove(c *connection) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.connections, c)
}

// decide returns the fault of a message.
func (r *Relay) decide(m Message) Fault {
	r.mu.Lock()
	plan := r.plan
	r.mu.Unlock()
	if plan == nil {
		return Fault{}
	}
	return plan(m)
}

// subprotocols returns the subprotocols that a request offers.
func subprotocols(r *http.Request) (offered []string) {
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(line, ",") {
			offered = append(offered, strings.TrimSpace(name))
		}
	}
	return offered
}
