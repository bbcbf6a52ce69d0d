package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"rollcall.dev/rollcall/api/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// master is a scripted server: each request is handled by the next of handlers, and all
// further ones by the last.
type master struct {
	*Client

	mu       sync.Mutex
	handlers []http.HandlerFunc
	received []*http.Request
	at       []time.Time
}

// serve starts a master over in-memory connections, so that it works with synctest too.
func serve(t *testing.T, c Config, handlers ...http.HandlerFunc) *master {
	t.Helper()
	m := &master{handlers: handlers}
	listener := memconn.Listen(256 << 10)
	server := &http.Server{Handler: m}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	transport := &http.Transport{DialContext: listener.DialContext}
	c.Server, c.Transport = "http://localhost", transport
	var err error
	if m.Client, err = New(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-done
	})
	return m
}

func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	n := min(len(m.received), len(m.handlers)-1)
	m.received, m.at = append(m.received, r), append(m.at, time.Now())
	respond := m.handlers[n]
	m.mu.Unlock()
	respond(w, r)
}

// request returns the nth request.
func (m *master) request(n int) *http.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n >= len(m.received) {
		return httptest.NewRequest(http.MethodGet, "/none", nil)
	}
	return m.received[n]
}

func (m *master) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.received)
}

// respond responds with a body.
func respond(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// refuse responds with a problem. retry is the Retry-After header, empty for none.
func refuse(status int, reason, retry string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		if retry != "" {
			w.Header().Set("Retry-After", retry)
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "reason": reason, "detail": "because"})
	}
}

// stream sends lines and ends the response.
func stream(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// hold sends lines, and keeps the response open until the client closes it.
func hold(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(lines...)(w, r)
		<-r.Context().Done()
	}
}

// cut sends lines, and closes the connection in the middle of another.
func cut(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream(lines...)(w, r)
		fmt.Fprint(w, `{"type":"ADD`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func pod(eventType, version, name string) string {
	return fmt.Sprintf(`{"type":%q,"kind":"Pod","resourceVersion":%q,"object":{"namespace":"shop","name":%q,"node":"n1","phase":"Running"}}`, eventType, version, name)
}

func bookmark(version string) string {
	return fmt.Sprintf(`{"type":"BOOKMARK","resourceVersion":%q,"object":{"resourceVersion":%q,"stale":false,"session":{"phase":"Reporting"}}}`, version, version)
}

func initialEnd(version string) string {
	return fmt.Sprintf(`{"type":"BOOKMARK","resourceVersion":%q,"object":{"resourceVersion":%q,"stale":false,"session":{"phase":"Reporting"},"annotations":{"k8s.io/initial-events-end":"true"}}}`, version, version)
}

func failure(code int, reason string) string {
	return fmt.Sprintf(`{"type":"ERROR","object":{"apiVersion":"v1","kind":"Status","metadata":{},"status":"Failure","reason":%q,"code":%d,"message":"because"}}`, reason, code)
}

// problem returns an error as a *Problem, or fails the test.
func problem(t *testing.T, err error) *Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is not a *Problem", err)
	}
	return p
}

// background returns a context for a synctest bubble. That of the test would end too late.
func background(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
