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
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/memconn"
)

// agent is a scripted agent on a listener in memory. Unless a test says otherwise
// it keeps to the protocol.
type agent struct {
	t        testing.TB
	listener *memconn.Listener
	codec    *wire.Codec
	server   *http.Server

	// What is changed once it was called is changed under the lock: see play.

	// script is what it does on each connection; nil: serve
	script func(*talk)
	// admit decides on an upgrade; nil: everybody. It writes its own answer.
	admit    func(w http.ResponseWriter, r *http.Request) bool
	hello    wire.Hello
	identity wire.Identity
	// grant changes what it grants; nil: what is asked for.
	grant func(*wire.SubscribeResponse)

	mu        sync.Mutex
	world     *statetest.Cluster
	upgrades  int
	open      int // connections now
	reports   []*wire.SubscribeRequest
	renewals  int
	acks      []uint64
	stops     []string
	summaries int
	times     []time.Time // of Reports
	talks     sync.WaitGroup
}

func newAgent(t testing.TB, name string, wrap ...func(net.Listener) net.Listener) *agent {
	a := &agent{t: t, listener: memconn.Listen(1 << 16), codec: wire.NewCodec(), world: statetest.New(7, 2, 10)}
	a.hello = wire.Hello{
		ProtocolMin: wire.ProtocolMin, ProtocolMax: wire.ProtocolMax, Epoch: a.world.State.Epoch,
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

// close ends the agent, and waits until all of its connections are gone.
func (a *agent) close() {
	_ = a.server.Close()
	a.talks.Wait()
}

func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var admit func(http.ResponseWriter, *http.Request) bool
	var script func(*talk)
	a.count(func() { admit, script = a.admit, a.script })
	if admit != nil && !admit(w, r) {
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		a.t.Errorf("accept: %v", err)
		return
	}
	a.count(func() { a.upgrades++; a.open++ })
	defer a.count(func() { a.open-- })
	a.talks.Add(1)
	defer a.talks.Done()
	conn.SetReadLimit(wire.MaxMasterFrame)
	k := &talk{agent: a, conn: conn, start: time.Now(), turn: make(chan struct{}, 1)}
	defer conn.CloseNow()
	if script != nil {
		script(k)
		return
	}
	k.serve()
}

// play has it follow another script from the next connection on.
func (a *agent) play(script func(*talk)) { a.count(func() { a.script = script }) }

// count changes anything of it under its lock.
func (a *agent) count(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// seen are the counters at this moment.
func (a *agent) seen() (upgrades, open, summaries, renewals int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.upgrades, a.open, a.summaries, a.renewals
}

// sessions is how many Reports for a session came.
func (a *agent) sessions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.reports)
}

func (a *agent) report(i int) *wire.SubscribeRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reports[i]
}

// called is when the Report of that number came.
func (a *agent) called(i int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.times[i]
}

// stopped are the words of the Stops that came.
func (a *agent) stopped() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.stops)
}

// change makes the cluster change.
func (a *agent) change(n int) *state.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.world.Step(n)
	return a.world.State
}

func (a *agent) state() *state.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.world.State
}

// talk is one connection of an agent.
type talk struct {
	agent *agent
	conn  *websocket.Conn
	start time.Time
	// in and out are the seals; who sends has the turn.
	in, out wire.Checksum
	turn    chan struct{}
	held    *state.State // what the master has; nil: nothing
	// delay makes Bookmarks look as if they were sent so much earlier.
	delay time.Duration
}

func (k *talk) send(m wire.AgentMessage) bool {
	if s, ok := m.(*wire.Summary); ok {
		s.Identity = k.identity()
	}
	frame, err := k.agent.codec.EncodeAgent(m)
	if err != nil {
		k.agent.t.Errorf("encode %T: %v", m, err)
		return false
	}
	return k.sendRaw(frame)
}

func (k *talk) sendRaw(frame []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	k.turn <- struct{}{}
	defer func() { <-k.turn }()
	return k.conn.Write(ctx, websocket.MessageBinary, k.out.Append(frame)) == nil
}

// receive is the master's next message, nil where the connection ended.
func (k *talk) receive() wire.MasterMessage {
	_, frame, err := k.conn.Read(context.Background())
	if err != nil {
		return nil
	}
	frame, err = k.in.Verify(frame)
	if err != nil {
		k.agent.t.Errorf("the master's checksum is wrong: %v", err)
	}
	m, err := wire.DecodeMaster(frame)
	if err != nil {
		k.agent.t.Errorf("the master sent garbage: %v", err)
	}
	return m
}

// handshake sends Hello, and records and returns the SubscribeRequest.
func (k *talk) handshake() *wire.SubscribeRequest {
	var hello wire.Hello
	k.agent.count(func() { hello = k.agent.hello })
	if !k.send(&hello) {
		return nil
	}
	m, ok := k.receive().(*wire.SubscribeRequest)
	if !ok {
		return nil
	}
	k.agent.count(func() {
		if m.SummaryOnly {
			k.agent.summaries++
			return
		}
		k.agent.reports = append(k.agent.reports, m)
		k.agent.times = append(k.agent.times, time.Now())
	})
	return m
}

// identity says who answers.
func (k *talk) identity() *wire.Identity {
	var identity wire.Identity
	k.agent.count(func() { identity = k.agent.identity })
	return &identity
}

// grantTo answers a Report.
func (k *talk) grantTo(m *wire.SubscribeRequest) *wire.SubscribeResponse {
	g := &wire.SubscribeResponse{Session: m.Session, Period: m.Period, Duration: m.Duration, Identity: k.identity()}
	if k.agent.grant != nil {
		k.agent.grant(g)
	}
	k.send(g)
	return g
}

// serve follows the protocol until the session or the connection ends.
func (k *talk) serve() {
	m := k.handshake()
	if m == nil {
		return
	}
	if m.SummaryOnly {
		k.send(summaryOf(k.agent.state()))
		_ = k.conn.CloseNow()
		return
	}
	k.begin(m)
	k.flushUntilEnd(k.grantTo(m))
}

// begin notes what the master has.
func (k *talk) begin(m *wire.SubscribeRequest) {
	if s := k.agent.state(); m.Base != nil && m.Base.Epoch == s.Epoch && m.Base.Seq == s.Seq {
		k.held = s
	}
}

// flushUntilEnd reports every period, obeys, and ends when the time is over.
func (k *talk) flushUntilEnd(g *wire.SubscribeResponse) {
	messages := make(chan wire.MasterMessage)
	gone := make(chan struct{})
	defer close(gone)
	go func() {
		defer close(messages)
		for m := k.receive(); m != nil; m = k.receive() {
			select {
			case messages <- m:
			case <-gone:
				return
			}
		}
	}()
	end := time.NewTimer(g.Duration)
	defer end.Stop()
	tick := time.NewTicker(max(g.Period, time.Millisecond))
	defer tick.Stop()
	for alive := k.flush(); alive; {
		select {
		case <-tick.C:
			alive = k.flush()
		case <-end.C:
			k.end(wire.EndExpired, "")
			return
		case m, ok := <-messages:
			alive = ok && k.heed(m, g, end)
		}
	}
}

// heed does what the master says; it gives false when the session is over.
func (k *talk) heed(m wire.MasterMessage, g *wire.SubscribeResponse, end *time.Timer) bool {
	switch m := m.(type) {
	case *wire.Ack:
		k.agent.count(func() { k.agent.acks = append(k.agent.acks, m.Seq) })
	case *wire.Renew:
		k.agent.count(func() { k.agent.renewals++ })
		renewed := &wire.SubscribeResponse{Session: g.Session, Period: g.Period, Duration: m.Duration, Renewal: m.Renewal}
		if k.agent.grant != nil {
			k.agent.grant(renewed)
		}
		end.Reset(renewed.Duration)
		return k.send(renewed)
	case *wire.Stop:
		k.agent.count(func() { k.agent.stops = append(k.agent.stops, m.Message) })
		k.end(wire.EndStopped, "")
		return false
	}
	return true
}

func (k *talk) end(reason wire.EndReason, words string) {
	k.send(&wire.End{Reason: reason, Message: words})
	_ = k.conn.Close(websocket.StatusNormalClosure, "")
}

// flush sends what the master lacks, and a Bookmark.
func (k *talk) flush() bool {
	s := k.agent.state()
	switch {
	case k.held == nil:
		frames, err := k.agent.codec.EncodeSnapshot(s, 1)
		if err != nil {
			k.agent.t.Error(err)
		}
		for _, f := range frames {
			if !k.sendRaw(f) {
				return false
			}
		}
	case k.held.Seq != s.Seq:
		d := state.Diff(k.held, s)
		if !k.send(&wire.Delta{From: d.From, To: d.To, Upserts: d.Upserts, Removes: d.Removes, Base: k.held}) {
			return false
		}
		if d.Usage != nil && !k.send(wire.NewUsage(d.Usage, k.held.Usage)) {
			return false
		}
	}
	k.held = s
	return k.send(k.bookmark(s))
}

func (k *talk) bookmark(s *state.State) *wire.Bookmark {
	return &wire.Bookmark{Seq: s.Seq, Count: s.Count(), Hash: wire.HashState(s), Sent: time.Since(k.start) - k.delay}
}

func summaryOf(s *state.State) *wire.Summary {
	return &wire.Summary{Summary: state.Summarize(s, time.Now())}
}

func (a *agent) endMessage() *wire.End { return &wire.End{Reason: wire.EndExpired} }
