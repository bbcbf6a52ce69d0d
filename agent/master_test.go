package agent

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// master is a minimal master with one session.
type master struct {
	t        *testing.T
	conn     *websocket.Conn
	hello    *wire.Hello
	granted  *wire.SubscribeResponse
	in, out  wire.Checksum
	unread   [][]byte // the frames of the last Batch that were not returned yet
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
	conn, response, err := websocket.Dial(r.t.Context(), scheme+"://"+r.addresses.Masters.String()+wire.Path,
		&websocket.DialOptions{HTTPClient: r.client, HTTPHeader: header, Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		r.t.Fatalf("dial: %v", err)
	}
	r.t.Cleanup(func() { _ = conn.CloseNow() })
	conn.SetReadLimit(wire.MaxFrame)
	m := &master{t: r.t, conn: conn}
	m.hello = m.read().(*wire.Hello)
	req := &wire.SubscribeRequest{Protocol: wire.ProtocolMax, Session: "s1", MasterID: masterID, Period: period, Duration: duration}
	if r.signer != nil {
		channel, err := token.ChannelOf(response.TLS)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Signature = r.signer.SignStatement(token.Statement{
			Domain: token.DomainSubscribe, Cluster: "member", MasterID: masterID, Session: "s1", Nonce: m.hello.Nonce, Channel: channel,
		})
	}
	m.send(req)
	m.granted = m.read().(*wire.SubscribeResponse)
	m.receiver = wire.NewReceiver(m.hello.Epoch, nil)
	return m
}

// send encodes and sends a message.
func (m *master) send(msg wire.MasterMessage) {
	m.t.Helper()
	frame, err := wire.EncodeMaster(msg)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := m.conn.Write(m.t.Context(), websocket.MessageBinary, m.out.Append(frame)); err != nil {
		m.t.Fatal(err)
	}
}

// read returns the next message.
func (m *master) read() wire.AgentMessage {
	m.t.Helper()
	for len(m.unread) == 0 {
		m.unread = m.readFrames()
	}
	frame := m.unread[0]
	m.unread = m.unread[1:]
	msg, err := wire.NewCodec().DecodeAgent(frame)
	if err != nil {
		m.t.Fatal(err)
	}
	return msg
}

// readFrames returns the frames of the next websocket message.
func (m *master) readFrames() [][]byte {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), testTimeout)
	defer cancel()
	_, frame, err := m.conn.Read(ctx)
	if err != nil {
		m.t.Fatal(err)
	}
	if frame, err = m.in.Verify(frame); err != nil {
		m.t.Fatal(err)
	}
	frames, err := wire.DecodeBatch(frame)
	if err != nil {
		m.t.Fatal(err)
	}
	return frames
}

// waitState receives flushes until one results in a state for which accept returns true.
func (m *master) waitState(what string, accept func(*state.State) bool) {
	m.t.Helper()
	deadline := time.Now().Add(testTimeout)
	for time.Now().Before(deadline) {
		s, err := m.receiver.Receive(m.read(), time.Now())
		if err != nil {
			m.t.Fatal(err)
		}
		if s == nil {
			continue
		}
		m.send(&wire.Ack{Seq: s.Seq})
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
	if _, _, err := m.conn.Read(m.t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		m.t.Errorf("after End: got %v, want a normal close", err)
	}
}

// usageReason returns a function for waitState that accepts a state in which the usage section has an error.
func usageReason(want string) func(*state.State) bool {
	return func(s *state.State) bool { return s.Sections[state.SectionUsage].Error.Reason == want }
}
