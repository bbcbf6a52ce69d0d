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

	"rollcall.dev/rollcall/test/memconn"
)

// identityOf has an identity read from a server in memory.
func identityOf(t *testing.T, answer http.HandlerFunc, f func(ctx context.Context, i *identity, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := memconn.Listen(64 << 10)
		server := &http.Server{Handler: answer}
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		var log bytes.Buffer
		f(t.Context(), &identity{
			base:   &url.URL{Scheme: "http", Host: "api"},
			client: &http.Client{Transport: &http.Transport{DialContext: listener.DialContext}},
			log:    slog.New(slog.NewTextHandler(&log, nil)),
		}, &log)
		_ = server.Close()
		<-served
	})
}

func TestIdentityIsReadOnceTheAPIServerAnswers(t *testing.T) {
	asked := 0
	answer := func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case asked <= 3:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.URL.Path == "/version":
			fmt.Fprint(w, `{"major":"1","gitVersion":"v1.36.3"}`)
		case r.URL.Path == "/api/v1/namespaces/kube-system":
			fmt.Fprint(w, `{"kind":"Namespace","metadata":{"name":"kube-system","uid":"uid-1"}}`)
		default:
			http.NotFound(w, r)
		}
	}
	identityOf(t, answer, func(ctx context.Context, i *identity, log *bytes.Buffer) {
		if _, _, ok := i.get(); ok {
			t.Error("known before it was read")
		}
		began := time.Now()
		if err := i.run(ctx); err != nil {
			t.Fatal(err)
		}
		if uid, version, ok := i.get(); !ok || uid != "uid-1" || version != "v1.36.3" {
			t.Errorf("identity %q, %q, %v", uid, version, ok)
		}
		if took := time.Since(began); asked != 5 || took != 3500*time.Millisecond {
			t.Errorf("asked %d times in %s; want 5 in 3.5s", asked, took)
		}
		if told := strings.Count(log.String(), "\n"); told != 1 || !strings.Contains(log.String(), "not yet") {
			t.Errorf("logged %q; want one line with the reason", log)
		}
	})
}

func TestIdentityGivesUpWithItsAgent(t *testing.T) {
	refuse := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }
	identityOf(t, refuse, func(ctx context.Context, i *identity, log *bytes.Buffer) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		if err := i.run(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := i.get(); ok || !strings.Contains(log.String(), "no UID") {
			t.Errorf("known: %v; logged %q", ok, log)
		}
	})
}
