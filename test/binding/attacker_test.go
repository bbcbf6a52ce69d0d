package binding_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/fake"
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
	conn, err := fake.Accept(rw, r, wire.NewCodec())
	if err != nil {
		return
	}
	defer conn.CloseNow()
	_ = conn.Send(context.Background(), hello)
	m, _ := conn.Receive(context.Background())
	if m, ok := m.(*wire.SubscribeRequest); ok {
		h.mu.Lock()
		h.requests = append(h.requests, m)
		h.mu.Unlock()
	}
}

// dialAgent dials the agent with a token, and reads its Hello.
func (env *environment) dialAgent(bearer string) *fake.Master {
	env.t.Helper()
	transport := &http.Transport{DialContext: env.listener.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	m, _, err := fake.Dial(env.t.Context(), "wss://agent", &http.Client{Transport: transport}, http.Header{"Authorization": {"Bearer " + bearer}}, wire.Subprotocol)
	if err != nil {
		env.t.Fatalf("dial with the token: %v", err)
	}
	if err := m.ReadHello(env.t.Context()); err != nil {
		env.t.Fatal(err)
	}
	return m
}

// wantUnauthorized sends a request, and fails the test unless the agent sends End(unauthorized) and nothing else.
func wantUnauthorized(t *testing.T, what string, m *fake.Master, request *wire.SubscribeRequest) {
	t.Helper()
	if err := m.Send(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	got, err := m.Receive(t.Context())
	if ended, ok := got.(*wire.End); !ok || ended.Reason != wire.EndUnauthorized {
		t.Errorf("%s: got %T %+v, %v, want End(unauthorized)", what, got, got, err)
	}
	if rest, err := m.Receive(t.Context()); err == nil {
		t.Errorf("%s: got another message: %T", what, rest)
	}
	_ = m.CloseNow()
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
