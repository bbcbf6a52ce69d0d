package session

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
)

// fakeAgent is an agent on an in-memory listener. By default it follows the protocol.
type fakeAgent struct {
	t        testing.TB
	listener *memconn.Listener
	codec    *wire.Codec
	server   *http.Server

	// Once the agent may be dialed, the fields below must only be changed in update.

	// handle handles a connection. The default is agentConn.serve.
	handle func(*agentConn)
	// admit decides on an upgrade and writes the response of a refusal. The default admits all.
	admit    func(w http.ResponseWriter, r *http.Request) bool
	hello    wire.Hello
	identity wire.Identity
	// grant changes a grant before it is sent. The default grants what is requested.
	grant func(*wire.SubscribeResponse)

	mu           sync.Mutex
	cluster      *statetest.Cluster
	upgrades     int
	open         int
	requests     []*wire.SubscribeRequest
	renewals     int
	acks         []uint64
	stopMessages []string
	summaries    int
	requestTimes []time.Time
	handlers     sync.WaitGroup
}

func newFakeAgent(t testing.TB, name string, wrap ...func(net.Listener) net.Listener) *fakeAgent {
	a := &fakeAgent{t: t, listener: memconn.Listen(1 << 16), codec: wire.NewCodec(), cluster: statetest.New(7, 2, 10)}
	a.hello = wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Epoch: a.cluster.State.Epoch,
	}
	a.identity = wire.Identity{AgentVersion: "v0.1.0", ClusterName: name, ClusterUID: "uid-" + name, KubernetesVersion: "v1.36.3"}
	a.server = &http.Server{Handler: a, ErrorLog: log.New(io.Discard, "", 0)}
	listener := net.Listener(a.listener)
	for _, f := range wrap {
		listener = f(listener)
	}
	go func() {
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	}()
	return a
}

// close closes the listener and all connections, and waits for their handlers.
func (a *fakeAgent) close() {
	_ = a.server.Close()
	a.handlers.Wait()
}

func (a *fakeAgent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var admit func(http.ResponseWriter, *http.Request) bool
	var handle func(*agentConn)
	a.update(func() { admit, handle = a.admit, a.handle })
	if admit != nil && !admit(w, r) {
		return
	}
	conn, err := fake.Accept(w, r, a.codec)
	if err != nil {
		a.t.Errorf("accept: %v", err)
		return
	}
	a.update(func() { a.upgrades++; a.open++ })
	defer a.update(func() { a.open-- })
	a.handlers.Add(1)
	defer a.handlers.Done()
	c := &agentConn{Agent: conn, agent: a, start: time.Now(), sendLock: make(chan struct{}, 1)}
	defer conn.CloseNow()
	if handle != nil {
		handle(c)
		return
	}
	c.serve()
}

// setHandler sets the handler of later connections. nil restores the default.
func (a *fakeAgent) setHandler(handle func(*agentConn)) { a.update(func() { a.handle = handle }) }

// update calls f with the lock held.
func (a *fakeAgent) update(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// counts returns the number of upgrades so far, of open connections, of requested summaries and of renewals.
func (a *fakeAgent) counts() (upgrades, open, summaries, renewals int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.upgrades, a.open, a.summaries, a.renewals
}

// sessionCount returns the number of requests for a session.
func (a *fakeAgent) sessionCount() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

func (a *fakeAgent) request(i int) *wire.SubscribeRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requests[i]
}

// requestedAt returns when the i-th request for a session was received.
func (a *fakeAgent) requestedAt(i int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.requestTimes[i]
}

// stops returns the messages of the Stops that were received.
func (a *fakeAgent) stops() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.stopMessages)
}

// change makes n random changes to the cluster and returns its state.
func (a *fakeAgent) change(n int) *state.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cluster.Step(n)
	return a.cluster.State
}

func (a *fakeAgent) state() *state.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cluster.State
}

// agentConn is a connection of a fakeAgent.
type agentConn struct {
	*fake.Agent
	agent *fakeAgent
	start time.Time
	// sendLock is held by the sender.
	sendLock chan struct{}
	sent     *state.State // the last state that was sent, or nil
	// delay is subtracted from the times in Bookmarks, so that they look delayed.
	delay time.Duration
}

func (c *agentConn) send(m wire.AgentMessage) bool {
	if s, ok := m.(*wire.Summary); ok {
		s.Identity = c.identity()
	}
	frame, err := c.agent.codec.EncodeAgent(m)
	if err != nil {
		c.agent.t.Errorf("encode %T: %v", m, err)
		return false
	}
	return c.sendRaw(frame)
}

func (c *agentConn) sendRaw(frame []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c.sendLock <- struct{}{}
	defer func() { <-c.sendLock }()
	return c.SendFrame(ctx, frame) == nil
}

// receive returns the master's next message, or nil after the end of the connection.
func (c *agentConn) receive() wire.MasterMessage {
	m, err := c.Receive(context.Background())
	if errors.Is(err, fake.ErrInvalid) {
		c.agent.t.Error(err)
	}
	return m
}

// handshake sends Hello, and records and returns the SubscribeRequest. It returns nil if the connection
// ended.
func (c *agentConn) handshake() *wire.SubscribeRequest {
	var hello wire.Hello
	c.agent.update(func() { hello = c.agent.hello })
	if !c.send(&hello) {
		return nil
	}
	req, ok := c.receive().(*wire.SubscribeRequest)
	if !ok {
		return nil
	}
	c.agent.update(func() {
		if req.SummaryOnly {
			c.agent.summaries++
			return
		}
		c.agent.requests = append(c.agent.requests, req)
		c.agent.requestTimes = append(c.agent.requestTimes, time.Now())
	})
	return req
}

// identity returns the agent's identity.
func (c *agentConn) identity() *wire.Identity {
	var identity wire.Identity
	c.agent.update(func() { identity = c.agent.identity })
	return &identity
}

// grantTo sends and returns the answer to a SubscribeRequest.
func (c *agentConn) grantTo(req *wire.SubscribeRequest) *wire.SubscribeResponse {
	g := &wire.SubscribeResponse{Session: req.Session, Period: req.Period, Duration: req.Duration, Identity: c.identity()}
	if c.agent.grant != nil {
		c.agent.grant(g)
	}
	c.send(g)
	return g
}

// serve follows the protocol until the session or the connection ends.
func (c *agentConn) serve() {
	req := c.handshake()
	if req == nil {
		return
	}
	if req.SummaryOnly {
		c.send(summaryOf(c.agent.state()))
		_ = c.CloseNow()
		return
	}
	c.useBase(req)
	c.serveSession(c.grantTo(req))
}

// useBase sets the state that the master has, if the request has it as its base.
func (c *agentConn) useBase(req *wire.SubscribeRequest) {
	if s := c.agent.state(); req.Base != nil && req.Base.Epoch == s.Epoch && req.Base.Seq == s.Seq {
		c.sent = s
	}
}

// serveSession reports every period and handles messages, until the session ends.
func (c *agentConn) serveSession(g *wire.SubscribeResponse) {
	messages := make(chan wire.MasterMessage)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(messages)
		for m := c.receive(); m != nil; m = c.receive() {
			select {
			case messages <- m:
			case <-done:
				return
			}
		}
	}()
	end := time.NewTimer(g.Duration)
	defer end.Stop()
	tick := time.NewTicker(max(g.Period, time.Millisecond))
	defer tick.Stop()
	for open := c.flush(); open; {
		select {
		case <-tick.C:
			open = c.flush()
		case <-end.C:
			c.end(wire.EndExpired, "")
			return
		case m, ok := <-messages:
			open = ok && c.handleMessage(m, g, end)
		}
	}
}

// handleMessage handles a message of the master. It returns false when the session has ended.
func (c *agentConn) handleMessage(m wire.MasterMessage, g *wire.SubscribeResponse, end *time.Timer) bool {
	switch m := m.(type) {
	case *wire.Ack:
		c.agent.update(func() { c.agent.acks = append(c.agent.acks, m.Seq) })
	case *wire.Renew:
		c.agent.update(func() { c.agent.renewals++ })
		renewed := &wire.SubscribeResponse{Session: g.Session, Period: g.Period, Duration: m.Duration, Renewal: m.Renewal}
		if c.agent.grant != nil {
			c.agent.grant(renewed)
		}
		end.Reset(renewed.Duration)
		return c.send(renewed)
	case *wire.Stop:
		c.agent.update(func() { c.agent.stopMessages = append(c.agent.stopMessages, m.Message) })
		c.end(wire.EndStopped, "")
		return false
	}
	return true
}

func (c *agentConn) end(reason wire.EndReason, message string) {
	c.send(&wire.End{Reason: reason, Message: message})
	_ = c.Close(websocket.StatusNormalClosure, "")
}

// flush sends the changes since the last flush, and a Bookmark. It returns false if the connection is broken.
func (c *agentConn) flush() bool {
	s := c.agent.state()
	switch {
	case c.sent == nil:
		frames, err := c.agent.codec.EncodeSnapshot(s, 1)
		if err != nil {
			c.agent.t.Error(err)
		}
		for _, f := range frames {
			if !c.sendRaw(f) {
				return false
			}
		}
	case c.sent.Seq != s.Seq:
		d := state.Diff(c.sent, s)
		if !c.send(&wire.Delta{From: d.From, To: d.To, Upserts: d.Upserts, Removes: d.Removes, Base: c.sent}) {
			return false
		}
		if d.Usage != nil && !c.send(wire.NewUsage(d.Usage, c.sent.Usage)) {
			return false
		}
	}
	c.sent = s
	return c.send(c.bookmark(s))
}

func (c *agentConn) bookmark(s *state.State) *wire.Bookmark {
	return &wire.Bookmark{Seq: s.Seq, Count: s.Count(), Hash: wire.HashState(s), Sent: time.Since(c.start) - c.delay}
}

func summaryOf(s *state.State) *wire.Summary {
	return &wire.Summary{Summary: state.Summarize(s, time.Now())}
}

func (a *fakeAgent) expiredMessage() *wire.End { return &wire.End{Reason: wire.EndExpired} }
