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

// thief is an endpoint in the agent's place that collects tokens and signatures.
type thief struct {
	listener *memconn.Listener
	pin      string

	mu     sync.Mutex
	tokens []string
	// hello is what it says to the master; nil: it says nothing.
	hello   *wire.Hello
	reports []*wire.SubscribeRequest
}

// startThief serves TLS with a certificate that the master accepts.
func (w *world) startThief(hello *wire.Hello) (h *thief, stop func()) {
	h = &thief{listener: memconn.Listen(buffer), hello: hello}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "thief", "thief")
	if err != nil {
		w.t.Fatal(err)
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

func (h *thief) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
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
	e := &end{conn: conn}
	e.sayAgent(hello)
	if m, ok := e.hearMaster().(*wire.SubscribeRequest); ok {
		h.mu.Lock()
		h.reports = append(h.reports, m)
		h.mu.Unlock()
	}
}

// end is one end of a connection, as plain as can be.
type end struct {
	conn    *websocket.Conn
	in, out wire.Checksum
	channel token.Channel
}

func (e *end) sayAgent(m wire.AgentMessage) {
	if frame, err := wire.NewCodec().EncodeAgent(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Append(frame))
	}
}

func (e *end) sayMaster(m wire.MasterMessage) {
	if frame, err := wire.EncodeMaster(m); err == nil {
		_ = e.conn.Write(context.Background(), websocket.MessageBinary, e.out.Append(frame))
	}
}

func (e *end) read() []byte {
	_, frame, err := e.conn.Read(context.Background())
	if err != nil {
		return nil
	}
	frame, _ = e.in.Verify(frame)
	return frame
}

func (e *end) hearMaster() wire.MasterMessage {
	m, _ := wire.DecodeMaster(e.read())
	return m
}

func (e *end) hearAgent() wire.AgentMessage {
	m, _ := wire.NewCodec().DecodeAgent(e.read())
	return m
}

// dialAgent dials the agent with a token.
func (w *world) dialAgent(bearer string) *end {
	w.t.Helper()
	transport := &http.Transport{DialContext: w.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	conn, response, err := websocket.Dial(w.t.Context(), "wss://agent"+wire.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{wire.Subprotocol}, HTTPHeader: http.Header{"Authorization": {"Bearer " + bearer}},
	})
	if err != nil {
		w.t.Fatalf("dial with the token: %v", err)
	}
	channel, err := token.ChannelOf(response.TLS)
	if err != nil {
		w.t.Fatal(err)
	}
	return &end{conn: conn, channel: channel}
}

// wantUnauthorized fails if the agent says anything but that.
func (e *end) wantUnauthorized(t *testing.T, what string) {
	t.Helper()
	m := e.hearAgent()
	if ended, ok := m.(*wire.End); !ok || ended.Reason != wire.EndUnauthorized {
		t.Errorf("%s: the agent says %T %+v, want End(unauthorized)", what, m, m)
	}
	if rest := e.hearAgent(); rest != nil {
		t.Errorf("%s: then it says %T", what, rest)
	}
	_ = e.conn.CloseNow()
}

// holderOf returns the holder of a token.
func holderOf(t *testing.T, bearer string) string {
	t.Helper()
	var claims jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(bearer, &claims); err != nil {
		t.Fatal(err)
	}
	return claims.Subject
}
