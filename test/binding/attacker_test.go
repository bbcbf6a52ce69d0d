package binding_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/memconn"
)

// attacker is a server in the agent's place that collects tokens and signed requests.
type attacker struct {
	listener *memconn.Listener
	pin      string

	mu     sync.Mutex
	tokens []string
	// hello is the message to the master; if it is nil, the server refuses the upgrade.
	hello    *wire.Hello
	requests []*wire.SubscribeRequest
}

// startAttacker serves TLS with a certificate that the master accepts.
func (env *environment) startAttacker(hello *wire.Hello) (h *attacker, stop func()) {
	h = &attacker{listener: memconn.Listen(buffer), hello: hello}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "attacker", "attacker")
	if err != nil {
		env.t.Fatal(err)
	}
	h.pin = tlsfiles.Pin(config.Certificates[0].Leaf)
	server := &http.Server{Handler: h, TLSConfig: config, Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	server.Protocols.SetHTTP1(true)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.ServeTLS(h.listener, "", "") })
	return h, func() {
		_ = server.Close()
		serving.Wait()
	}
}

// ServeHTTP collects the token and, if hello is set, the master's request.
func (h *attacker) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.tokens = append(h.tokens, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	hello := h.hello
	h.mu.Unlock()
	if hello == nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	conn, err := websocket.Accept(rw, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	e := &wsConn{conn: conn}
	e.sendAsAgent(hello)
	if m, ok := e.receiveFromMaster().(*wire.SubscribeRequest); ok {
		h.mu.Lock()
		h.requests = append(h.requests, m)
		h.mu.Unlock()
	}
}

// wsConn is a minimal end of a connection.
type wsConn struct {
	conn    *websocket.Conn
	in, out wire.Checksum
	channel token.Channel
}

// sendAsAgent sends a message of an agent.
func (e *wsConn) sendAsAgent(m wire.AgentMessage) {
	if frame, err := wire.NewCodec().EncodeAgent(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Append(frame))
	}
}

// sendAsMaster sends a message of a master.
func (e *wsConn) sendAsMaster(m wire.MasterMessage) {
	if frame, err := wire.EncodeMaster(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Append(frame))
	}
}

// read returns the next frame, or nil at the end.
func (e *wsConn) read() []byte {
	_, frame, err := e.conn.Read(context.Background())
	if err != nil {
		return nil
	}
	frame, _ = e.in.Verify(frame)
	return frame
}

// receiveFromMaster returns the next message of a master, or nil at the end.
func (e *wsConn) receiveFromMaster() wire.MasterMessage {
	m, _ := wire.DecodeMaster(e.read())
	return m
}

// receiveFromAgent returns the next message of an agent, or nil at the end.
func (e *wsConn) receiveFromAgent() wire.AgentMessage {
	m, _ := wire.NewCodec().DecodeAgent(e.read())
	return m
}

// dialAgent dials the agent with a token.
func (env *environment) dialAgent(bearer string) *wsConn {
	env.t.Helper()
	transport := &http.Transport{DialContext: env.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, response, err := websocket.Dial(env.t.Context(), "wss://agent"+wire.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{"Authorization": {"Bearer " + bearer}},
	})
	if err != nil {
		env.t.Fatalf("dial with the token: %v", err)
	}
	channel, err := token.ChannelOf(response.TLS)
	if err != nil {
		env.t.Fatal(err)
	}
	return &wsConn{conn: conn, channel: channel}
}

// wantUnauthorized fails the test unless the agent sends End(unauthorized) and nothing else.
func (e *wsConn) wantUnauthorized(t *testing.T, what string) {
	t.Helper()
	m := e.receiveFromAgent()
	if ended, ok := m.(*wire.End); !ok || ended.Reason != wire.EndUnauthorized {
		t.Errorf("%s: got %T %+v, want End(unauthorized)", what, m, m)
	}
	if rest := e.receiveFromAgent(); rest != nil {
		t.Errorf("%s: got another message: %T", what, rest)
	}
	_ = e.conn.CloseNow()
}

// subjectOf returns the subject of a token, which is the master's ID.
func subjectOf(t *testing.T, bearer string) string {
	t.Helper()
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(bearer, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}
