package agent

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
)

// master is a minimal master with one session.
type master struct {
	*fake.Master
	t        *testing.T
	granted  *wire.SubscribeResponse
	receiver *wire.Receiver
}

// dial opens a session of the master m1.
func (r *runningAgent) dial(scheme string, header http.Header, period, duration time.Duration) *master {
	r.t.Helper()
	return r.dialAs("m1", scheme, header, period, duration)
}

// dialAs opens a session of a master.
func (r *runningAgent) dialAs(masterID, scheme string, header http.Header, period, duration time.Duration) *master {
	r.t.Helper()
	conn, _, err := fake.Dial(r.t.Context(), scheme+"://"+r.addresses.Masters.String(), r.client, header, wire.Subprotocol)
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	if err := conn.ReadHello(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	m := &master{Master: conn, t: r.t, receiver: wire.NewReceiver(conn.Hello.Epoch, nil)}
	req := &wire.SubscribeRequest{Session: "s1", MasterID: masterID, Period: period, Duration: duration}
	if err := m.Subscribe(r.t.Context(), r.signer, "member", req); err != nil {
		r.t.Fatal(err)
	}
	m.granted = m.read().(*wire.SubscribeResponse)
	return m
}

// read returns the next message.
func (m *master) read() wire.AgentMessage {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), testTimeout)
	defer cancel()
	msg, err := m.Receive(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	return msg
}

// waitState receives flushes until one results in a state for which accept returns true.
func (m *master) waitState(what string, accept func(*state.State) bool) {
	m.t.Helper()
	deadline := time.Now().Add(testTimeout)
	for time.Now().Before(deadline) {
		l, err := m.receiver.Receive(m.read(), time.Now())
		if err != nil {
			m.t.Fatal(err)
		}
		if l == nil {
			continue
		}
		s, err := l.State()
		if err != nil {
			m.t.Fatal(err)
		}
		if err := m.Send(m.t.Context(), &wire.Ack{Seq: s.Seq}); err != nil {
			m.t.Fatal(err)
		}
		if accept(s) {
			return
		}
	}
	m.t.Fatalf("got no state with %s within %s", what, testTimeout)
}

// wantEnd receives flushes until the agent sends End, and checks its reason and that a normal close follows.
func (m *master) wantEnd(reason wire.EndReason) {
	m.t.Helper()
	for {
		if end, ok := m.read().(*wire.End); ok {
			if end.Reason != reason {
				m.t.Errorf("session ended with %s, want %s", end.Reason, reason)
			}
			break
		}
	}
	if _, _, err := m.Read(m.t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Errorf("after End: got %v, want a normal close", err)
	}
}

// usageReason returns a function for waitState that accepts a state in which the usage section has an error.
func usageReason(want string) func(*state.State) bool {
	return func(s *state.State) bool { return s.Sections[state.SectionUsage].Error.Reason == want }
}
