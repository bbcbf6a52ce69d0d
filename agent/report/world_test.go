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
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const epoch = 0x9f2c

// world is an agent's endpoint in memory and in virtual time.
type world struct {
	t        *testing.T
	cfg      Config
	handler  *Handler
	snapshot *snapshot.Store
	listener *memconn.Listener
	usage    atomic.Int32 // how many sessions use usage now
	// secured is the agent's TLS; nil: it serves plain ws.
	secured *tls.Config
}

// inWorld runs f as a script against an endpoint with one node and two pods.
func inWorld(t *testing.T, edit func(*Config), f func(t *testing.T, w *world)) {
	t.Helper()
	inSecuredWorld(t, nil, edit, f)
}

// inSecuredWorld is inWorld with an agent that serves TLS.
func inSecuredWorld(t *testing.T, secured *tls.Config, edit func(*Config), f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, secured: secured, snapshot: snapshot.New(epoch), listener: memconn.Listen(64 << 10)}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- w.snapshot.Run(ctx) }()
		w.cfg = Config{
			ClusterName: "prod-eu", AgentVersion: "v1.2.3", Store: w.snapshot,
			Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
			SubscribeUsage:         func() func() { w.usage.Add(1); return func() { w.usage.Add(-1) } },
			MinRequestPeriod: time.Second, MaxSession: 30 * time.Minute,
			Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		}
		if edit != nil {
			edit(&w.cfg)
		}
		w.handler = New(w.cfg)
		server := &http.Server{Handler: w.handler}
		listener := net.Listener(w.listener)
		if secured != nil {
			listener = tls.NewListener(listener, secured)
		}
		served := make(chan error, 1)
		go func() { served <- server.Serve(listener) }()

		f(t, w)

		if err := w.handler.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := testutil.CollectAndCount(w.cfg.Metrics.(*prometheus.Registry), "rollcall_agent_sessions"); n != 1 {
			t.Errorf("%d gauges of open sessions, want 1", n)
		}
		if n := w.usage.Load(); n != 0 {
			t.Errorf("usage is still used by %d", n)
		}
		_ = server.Close()
		<-served
		cancel()
		<-stopped
	})
}

// ready gives the snapshot its first facts.
func (w *world) ready() {
	w.snapshot.Update(state.Changes{Upserts: []state.Object{&state.Node{Name: "n1", Ready: state.True}, pod("a"), pod("b")}})
	for _, name := range []state.SectionName{state.SectionNodes, state.SectionPods, state.SectionNetwork, state.SectionStorage} {
		w.snapshot.SetSection(name, state.SectionStatus{Live: true})
	}
	w.snapshot.SetSection(state.SectionUsage, state.SectionStatus{Error: state.SectionError{Reason: "Pending", Message: "not read yet"}})
	synctest.Wait()
}

func pod(name string) *state.Pod {
	return &state.Pod{Namespace: "ns", Name: name, Phase: state.PodRunning}
}

func (w *world) change(objects ...state.Object) { w.snapshot.Update(state.Changes{Upserts: objects}) }

// get dials over HTTP, and gives the answer too if it is no upgrade.
func (w *world) get(header http.Header, subprotocols ...string) (*websocket.Conn, *http.Response, error) {
	transport := &http.Transport{DialContext: w.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	scheme := "ws"
	if w.secured != nil {
		scheme = "wss"
	}
	return websocket.Dial(w.t.Context(), scheme+"://agent"+wire.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header, Subprotocols: subprotocols,
	})
}

// master is the other end, as simple as it can be.
type master struct {
	t        *testing.T
	conn     *websocket.Conn
	codec    *wire.Codec
	in, out  wire.Checksum
	unread   [][]byte // the rest of the last frame
	hello    *wire.Hello
	grant    *wire.SubscribeResponse // the last one
	channel  token.Channel
	receiver *wire.Receiver
	silent   bool // it acknowledges nothing
	last     *wire.Bookmark
	heard    []wire.AgentMessage // of the flush that next read
}

// dial connects and reads the Hello.
func (w *world) dial() *master {
	w.t.Helper()
	conn, _, err := w.get(nil, wire.Subprotocol)
	if err != nil {
		w.t.Fatalf("dial: %v", err)
	}
	return w.meet(conn)
}

// meet reads the Hello on a new connection.
func (w *world) meet(conn *websocket.Conn) *master {
	w.t.Helper()
	conn.SetReadLimit(wire.MaxFrame)
	m := &master{t: w.t, conn: conn, codec: wire.NewCodec(), channel: token.Unbound}
	m.hello = m.read().(*wire.Hello)
	m.receiver = wire.NewReceiver(m.hello.Epoch, nil)
	return m
}

// statement is what a Report of a holder's session is signed by on this connection.
func (m *master) statement(holder, session string) token.Statement {
	return token.Statement{Domain: token.DomainSubscribe, Cluster: "prod-eu", MasterID: holder, Session: session, Nonce: m.hello.Nonce, Channel: m.channel}
}

// open dials and opens a session.
func (w *world) open(holder string, period, duration time.Duration) *master {
	w.t.Helper()
	m := w.dial()
	m.say(&wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s-" + holder, MasterID: holder, Period: period, Duration: duration})
	m.granted()
	return m
}

func (m *master) say(msg wire.MasterMessage) {
	m.t.Helper()
	frame, err := wire.EncodeMaster(msg)
	if err != nil {
		m.t.Fatal(err)
	}
	m.raw(websocket.MessageBinary, frame)
}

func (m *master) raw(kind websocket.MessageType, frame []byte) {
	m.t.Helper()
	if err := m.conn.Write(context.Background(), kind, m.out.Append(frame)); err != nil {
		m.t.Fatalf("say: %v", err)
	}
}

func (m *master) read() wire.AgentMessage {
	m.t.Helper()
	msg, err := m.tryRead()
	if err != nil {
		m.t.Fatalf("read: %v", err)
	}
	return msg
}

func (m *master) tryRead() (wire.AgentMessage, error) {
	if len(m.unread) > 0 {
		frame := m.unread[0]
		m.unread = m.unread[1:]
		return m.codec.DecodeAgent(frame)
	}
	_, frame, err := m.conn.Read(context.Background())
	if err != nil {
		return nil, err
	}
	if frame, err = m.in.Verify(frame); err != nil {
		return nil, err
	}
	if m.unread, err = wire.DecodeBatch(frame); err != nil {
		return nil, err
	}
	return m.tryRead()
}

func (m *master) granted() *wire.SubscribeResponse {
	m.t.Helper()
	msg := m.read()
	g, ok := msg.(*wire.SubscribeResponse)
	if !ok {
		m.t.Fatalf("got %T %+v, want Granted", msg, msg)
	}
	m.grant = g
	return g
}

// next takes in one whole flush and acknowledges it. An End is an error.
func (m *master) next() (*state.State, error) {
	m.heard = nil
	for {
		msg, err := m.tryRead()
		if err != nil {
			return nil, err
		}
		m.heard = append(m.heard, msg)
		if end, ok := msg.(*wire.End); ok {
			return nil, &ended{end.Reason, end.Message}
		}
		s, err := m.receiver.Receive(msg, time.Now())
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		m.last = msg.(*wire.Bookmark)
		if !m.silent {
			m.say(&wire.Ack{Seq: s.Seq})
		}
		return s, nil
	}
}

func (m *master) mustNext() *state.State {
	m.t.Helper()
	s, err := m.next()
	if err != nil {
		m.t.Fatalf("next flush: %v", err)
	}
	return s
}

// untilEnd takes in flushes until an End or a close, and gives how many there were.
func (m *master) untilEnd() (flushes int, err error) {
	for {
		if _, err := m.next(); err != nil {
			return flushes, err
		}
		flushes++
	}
}

// wantEnd reads flushes until the agent ends the session, and then its close.
func (m *master) wantEnd(reason wire.EndReason) {
	m.t.Helper()
	_, err := m.untilEnd()
	if e := (*ended)(nil); !errors.As(err, &e) || e.reason != reason {
		m.t.Fatalf("ended with %v, want %v", err, reason)
	}
	if _, err := m.tryRead(); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Fatalf("after End: %v, want a normal close", err)
	}
}

// wantClose reads until the agent closes the connection with a code.
func (m *master) wantClose(code websocket.StatusCode) {
	m.t.Helper()
	_, err := m.untilEnd()
	var closed websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != code || closed.Reason == "" {
		m.t.Fatalf("closed with %v, want %d and a reason", err, code)
	}
}

func (w *world) counted(name, reason string) float64 {
	w.t.Helper()
	families, err := w.cfg.Metrics.(*prometheus.Registry).Gather()
	if err != nil {
		w.t.Fatal(err)
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

func (w *world) openSessions() int { return w.handler.conns.seated() }
