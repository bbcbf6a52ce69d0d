package report

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const epoch = 0x9f2c

// harness runs a Handler on an in-memory listener, in virtual time.
type harness struct {
	t                *testing.T
	cfg              Config
	handler          *Handler
	snapshot         *snapshot.Store
	listener         *memconn.Listener
	usageSubscribers atomic.Int32
	// tls is the TLS configuration of the agent. If it is nil, the agent serves plain ws.
	tls *tls.Config
}

// runTest calls f with a running harness, and then checks that Shutdown leaves no session open. edit may change the
// configuration; it may be nil.
func runTest(t *testing.T, edit func(*Config), f func(t *testing.T, h *harness)) {
	t.Helper()
	runTLSTest(t, nil, edit, f)
}

// runTLSTest does the same as runTest with an agent that serves TLS.
func runTLSTest(t *testing.T, tlsConfig *tls.Config, edit func(*Config), f func(t *testing.T, h *harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &harness{t: t, tls: tlsConfig, snapshot: snapshot.New(epoch), listener: memconn.Listen(64 << 10)}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- h.snapshot.Run(ctx) }()
		h.cfg = Config{
			ClusterName: "prod-eu", AgentVersion: "v1.2.3", Store: h.snapshot,
			Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
			SubscribeUsage:   func() func() { h.usageSubscribers.Add(1); return func() { h.usageSubscribers.Add(-1) } },
			MinRequestPeriod: time.Second, MaxSession: 30 * time.Minute,
			Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		}
		if edit != nil {
			edit(&h.cfg)
		}
		h.handler = New(h.cfg)
		server := &http.Server{Handler: h.handler}
		listener := net.Listener(h.listener)
		if tlsConfig != nil {
			listener = tls.NewListener(listener, tlsConfig)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()

		f(t, h)

		if err := h.handler.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := testutil.CollectAndCount(h.cfg.Metrics.(*prometheus.Registry), "rollcall_agent_sessions"); n != 1 {
			t.Errorf("got %d metrics rollcall_agent_sessions, want 1", n)
		}
		if n := h.usageSubscribers.Load(); n != 0 {
			t.Errorf("got %d subscribers of usage after the shutdown, want 0", n)
		}
		_ = server.Close()
		<-served
		cancel()
		<-stopped
	})
}

// makeReady puts one node and two pods into the store and marks their sections as synced.
func (h *harness) makeReady() {
	h.snapshot.Update(state.Changes{Upserts: []state.Object{&state.Node{Name: "n1", Ready: state.True}, pod("a"), pod("b")}})
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork, state.SectionStorage} {
		h.snapshot.SetSection(name, state.SectionStatus{Live: true})
	}
	h.snapshot.SetSection(state.SectionUsage, state.SectionStatus{Error: state.SectionError{Reason: "Pending", Message: "not read yet"}})
	synctest.Wait()
}

func pod(name string) *state.Pod {
	return &state.Pod{Namespace: "ns", Name: name, Phase: state.PodRunning}
}

// change upserts objects.
func (h *harness) change(objects ...state.Object) { h.snapshot.Update(state.Changes{Upserts: objects}) }

// dialHTTP opens a websocket. It returns the HTTP response, also if the upgrade was refused.
func (h *harness) dialHTTP(header http.Header, subprotocols ...string) (*fake.Master, *http.Response, error) {
	transport := &http.Transport{DialContext: h.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	scheme := "ws"
	if h.tls != nil {
		scheme = "wss"
	}
	return fake.Dial(h.t.Context(), scheme+"://agent", &http.Client{Transport: transport}, header, subprotocols...)
}

// master is a minimal master with one connection.
type master struct {
	*fake.Master
	t        *testing.T
	grant    *wire.SubscribeResponse // the latest SubscribeResponse
	receiver *wire.Receiver
	noAcks   bool // do not acknowledge flushes
	last     *wire.Bookmark
	received []wire.AgentMessage // the messages of the flush that nextFlush returned
}

// dial opens a connection without a token and reads the Hello.
func (h *harness) dial() *master {
	h.t.Helper()
	conn, _, err := h.dialHTTP(nil, wire.Subprotocol)
	if err != nil {
		h.t.Fatalf("dial: %v", err)
	}
	return h.readHello(conn)
}

// readHello returns the master of a new connection after it has read the Hello.
func (h *harness) readHello(conn *fake.Master) *master {
	h.t.Helper()
	if err := conn.ReadHello(context.Background()); err != nil {
		h.t.Fatal(err)
	}
	return &master{Master: conn, t: h.t, receiver: wire.NewReceiver(conn.Hello.Epoch, nil)}
}

// subscribeStatement returns the statement that a SubscribeRequest on this connection must sign.
func (m *master) subscribeStatement(masterID, session string) token.Statement {
	return m.Statement("prod-eu", masterID, session)
}

// openSession dials and opens the session "s-" + masterID.
func (h *harness) openSession(masterID string, period, duration time.Duration) *master {
	h.t.Helper()
	m := h.dial()
	m.send(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s-" + masterID, MasterID: masterID, Period: period, Duration: duration})
	m.readGrant()
	return m
}

// send sends a message.
func (m *master) send(msg wire.MasterMessage) {
	m.t.Helper()
	if err := m.Send(context.Background(), msg); err != nil {
		m.t.Fatalf("send %T: %v", msg, err)
	}
}

// read returns the next message.
func (m *master) read() wire.AgentMessage {
	m.t.Helper()
	msg, err := m.tryRead()
	if err != nil {
		m.t.Fatalf("read a message: %v", err)
	}
	return msg
}

func (m *master) tryRead() (wire.AgentMessage, error) { return m.Receive(context.Background()) }

// readGrant returns the next message, which must be a SubscribeResponse.
func (m *master) readGrant() *wire.SubscribeResponse {
	m.t.Helper()
	msg := m.read()
	grant, ok := msg.(*wire.SubscribeResponse)
	if !ok {
		m.t.Fatalf("got %T %+v, want a SubscribeResponse", msg, msg)
	}
	m.grant = grant
	return grant
}

// nextFlush reads one flush, acknowledges it unless noAcks is set, and returns the resulting state. If the agent sends
// End, it returns an endError.
func (m *master) nextFlush() (*state.State, error) {
	m.received = nil
	for {
		msg, err := m.tryRead()
		if err != nil {
			return nil, err
		}
		m.received = append(m.received, msg)
		if end, ok := msg.(*wire.End); ok {
			return nil, &endError{end.Reason, end.Message}
		}
		l, err := m.receiver.Receive(msg, time.Now())
		if err != nil {
			return nil, err
		}
		if l == nil {
			continue
		}
		s, err := l.State()
		if err != nil {
			return nil, err
		}
		m.last = msg.(*wire.Bookmark)
		if !m.noAcks {
			m.send(&wire.Ack{Seq: s.Seq})
		}
		return s, nil
	}
}

func (m *master) mustNextFlush() *state.State {
	m.t.Helper()
	s, err := m.nextFlush()
	if err != nil {
		m.t.Fatalf("read the next flush: %v", err)
	}
	return s
}

// readUntilEnd reads flushes until the agent sends End or closes the connection. It returns their number and the error
// of nextFlush.
func (m *master) readUntilEnd() (flushes int, err error) {
	for {
		if _, err := m.nextFlush(); err != nil {
			return flushes, err
		}
		flushes++
	}
}

// wantEnd reads flushes until the agent sends End, and fails unless End has the reason and a normal close follows.
func (m *master) wantEnd(reason wire.EndReason) {
	m.t.Helper()
	_, err := m.readUntilEnd()
	if e := (*endError)(nil); !errors.As(err, &e) || e.reason != reason {
		m.t.Fatalf("session ended with %v, want End with reason %v", err, reason)
	}
	if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Fatalf("after End: got %v, want a normal close", err)
	}
}

// wantClose reads flushes until the agent closes the connection, and fails unless it does so with the code and a
// reason.
func (m *master) wantClose(code websocket.StatusCode) {
	m.t.Helper()
	_, err := m.readUntilEnd()
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason == "" {
		m.t.Fatalf("connection ended with %v, want close code %d and a reason", err, code)
	}
}

// counter returns the value of the metric name whose first label has the value reason, or of its first series if
// reason is empty.
func (h *harness) counter(name, reason string) float64 {
	h.t.Helper()
	families, err := h.cfg.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && (reason == "" || len(m.Label) > 0 && m.Label[0].GetValue() == reason) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return 0
}

// sessionCount returns the number of open sessions.
func (h *harness) sessionCount() int { return h.handler.conns.sessionCount() }
