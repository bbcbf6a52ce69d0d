package agent

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/memconn"
)

// withIdentity calls f with an identity whose API server is handler.
func withIdentity(t *testing.T, handler http.HandlerFunc, f func(ctx context.Context, i *identity, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memconn.Listen(64 << 10)
		server := &http.Server{Handler: handler}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		var log bytes.Buffer
		f(t.Context(), &identity{
			baseURL: &url.URL{Scheme: "http", Host: "api"},
			client:  &http.Client{Transport: &http.Transport{DialContext: listener.DialContext}},
			log:     slog.New(slog.NewTextHandler(&log, nil)),
		}, &log)
		_ = server.Close()
		<-served
	})
}

func TestIdentityIsRetriedUntilAPIServerResponds(t *testing.T) {
	requests := 0
	handler := func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case requests <= 3:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"major":"1","gitVersion":"v1.36.3"}`)
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			fmt.Fprint(w, `{"kind":"Namespace","metadata":{"name":"kube-system","uid":"uid-1"}}`)
		default:
			http.NotFound(w, r)
		}
	}
	withIdentity(t, handler, func(ctx context.Context, i *identity, log *bytes.Buffer) {
		if _, _, ok := i.get(); ok {
			t.Error("get returned ok before the identity was read")
		}
		start := time.Now()
		if err := i.run(ctx); err != nil {
			t.Fatal(err)
		}
		if uid, version, ok := i.get(); !ok || uid != "uid-1" || version != "v1.36.3" {
			t.Errorf("got identity %q, %q, %v; want uid-1, v1.36.3, true", uid, version, ok)
		}
		if elapsed := time.Since(start); requests != 5 || elapsed != 3500*time.Millisecond {
			t.Errorf("got %d requests in %s, want 5 in 3.5s", requests, elapsed)
		}
		if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), "not yet") {
			t.Errorf("got log %q, want one line with the error", log)
		}
	})
}

func TestIdentityStopsWithContext(t *testing.T) {
	handler := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }
	withIdentity(t, handler, func(ctx context.Context, i *identity, log *bytes.Buffer) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		if err := i.run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := i.get(); ok || !strings.Contains(log.String(), "no UID") {
			t.Errorf("got ok %v and log %q, want false and \"no UID\"", ok, log)
		}
	})
}
