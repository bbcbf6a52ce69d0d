package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

// TestAgentsDialAHub has agents that dial a master, which reads them.
func TestAgentsDialAHub(t *testing.T) {
	keyFile := filepath.Join(t.TempDir(), "signing.key")
	signing, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := token.WriteKeyPair(keyFile, signing); err != nil {
		t.Fatal(err)
	}
	registry := sessiontest.NewRegistry()
	sessions := session.New(session.Config{Registry: registry, ClusterOfKey: registry.ClusterOfKey, Signer: token.NewSigner(signing), Log: slog.New(slog.DiscardHandler)})
	server := httptest.NewTLSServer(sessions.Links())
	c := small()
	c.hub = hubFlags{address: "wss://" + server.Listener.Addr().String(), pin: tlsfiles.Pin(server.Certificate()), publicKeyFile: keyFile + ".pub"}
	f, err := newFleet(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if manifests := f.manifests(); strings.Count(manifests, "connection: Reverse\n") != c.agents || strings.Contains(manifests, "endpoint") {
		t.Errorf("got %s, want agents that dial", manifests)
	}
	for _, a := range f.agents {
		registry.Set(session.Cluster{Name: a.name, Reverse: true, TLS: dial.TLS{PinnedSHA256: []string{a.pin}}, RequestPeriod: c.reporting.requestPeriod, SessionDuration: c.reporting.sessionDuration, CacheTTL: c.reporting.cacheTTL})
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- sessions.Run(ctx) }()
	go func() { ended <- f.serve(ctx) }()
	for _, a := range f.agents {
		waitReport(t, sessions, a.name, func(v *session.Report) bool { return v.Usage != nil })
	}
	stop()
	if err := errors.Join(<-ended, <-ended); err != nil {
		t.Error(err)
	}
	server.Close()
}

func TestHubFlagsAreChecked(t *testing.T) {
	for want, flags := range map[string]hubFlags{
		"--hub must":                 {address: "https://a:1", pin: "a", publicKeyFile: "b"},
		"--hub-pin":                  {address: "wss://a:1", publicKeyFile: "b"},
		"read --master-public-key-f": {address: "wss://a:1", pin: "a", publicKeyFile: "missing"},
	} {
		c := small()
		c.hub = flags
		if err := run(t.Context(), c, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}
