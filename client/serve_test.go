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
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// master is a server that a test scripts: each request is answered by the next of
// answers, and the last answers all that follow.
type master struct {
	*Client

	mu      sync.Mutex
	answers []http.HandlerFunc
	asked   []*http.Request
	at      []time.Time
}

// serve starts a master in memory, so that it works in virtual time too.
func serve(t *testing.T, c Config, answers ...http.HandlerFunc) *master {
	t.Helper()
	m := &master{answers: answers}
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
	n := min(len(m.asked), len(m.answers)-1)
	m.asked, m.at = append(m.asked, r), append(m.at, time.Now())
	answer := m.answers[n]
	m.mu.Unlock()
	answer(w, r)
}

// request is the nth that came.
func (m *master) request(n int) *http.Request {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n >= len(m.asked) {
		return httptest.NewRequest(http.MethodGet, "/none", nil)
	}
	return m.asked[n]
}

func (m *master) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.asked)
}

// answer is JSON.
func answer(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

// refuse is a problem; retry is Retry-After, empty for none.
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

// tell streams lines and ends in good order.
func tell(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range lines {
			fmt.Fprintln(w, line)
		}
		_ = http.NewResponseController(w).Flush()
	}
}

// hold streams lines and stays until the client goes.
func hold(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tell(lines...)(w, r)
		<-r.Context().Done()
	}
}

// cut streams lines and breaks the connection in the middle of another.
func cut(lines ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tell(lines...)(w, r)
		fmt.Fprint(w, `{"type":"ADD`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func pod(is, version, name string) string {
	return fmt.Sprintf(`{"type":%q,"kind":"Pod","resourceVersion":%q,"object":{"namespace":"shop","name":%q,"node":"n1","phase":"Running"}}`, is, version, name)
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

// problem wants an error to be a Problem.
func problem(t *testing.T, err error) *Problem {
	t.Helper()
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("%v is no Problem", err)
	}
	return p
}

// background is a context of a test in virtual time, whose own ends too late.
func background(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return ctx, cancel
}
