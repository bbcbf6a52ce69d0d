package master

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/flood"
)

// floodMemory is what a master takes for 18,000 connections that never end, at most. It is
// stated in docs/API.md.
const floodMemory = 256 << 20

// TestConnectionsThatNeverEndKeepNobodyOut is the attack of three processes with 6,000
// connections each: one sends nothing, one announces a body, one asks and stays.
func TestConnectionFloodDoesNotBlockClients(t *testing.T) {
	cluster := hub(t)
	healthAt := make(chan net.Addr, 1)
	r := start(t, cluster, func(c *Config) {
		c.Auth, c.LeaderElect, c.HealthListen = AuthKubernetes, false, "127.0.0.1:0"
		c.HealthListening = func(a net.Addr) { healthAt <- a }
	})
	health := "http://" + (<-healthAt).String()
	r.as(cluster, "admin", "system:masters")
	r.waitForStatus("/api/v1/clusters", http.StatusOK)
	watch := r.watch()
	flood.HTTP(t, strings.TrimPrefix(r.url, "https://"), 10, 8, 18000, floodMemory)
	probe := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, path := range []string{"/healthz", "/readyz"} {
		answer, err := probe.Get(health + path)
		if err != nil {
			t.Fatalf("health during the attack: %v", err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("health during the attack: %d, want 200", answer.StatusCode)
		}
	}
	for range 50 {
		if status, words := r.get("/api/v1/clusters"); status != http.StatusOK {
			t.Errorf("a known caller during the attack: %d %s, want 200", status, words)
		}
	}
	register(t, cluster, "during-the-attack", `{endpoint: "wss://127.0.0.1:1", suspend: true}`)
	watch("during-the-attack")
	if _, page := r.get("/metrics"); !strings.Contains(page, `rollcall_http_connections_refused_total{limit="address"}`) {
		t.Error("metrics do not tell what was refused")
	}
	if !strings.Contains(r.log.String(), "over a limit") {
		t.Errorf("the log does not tell of it:\n%s", r.log)
	}
}

// watch follows the list of clusters, and returns what waits until it tells of some words.
func (r *testMaster) watch() (until func(words string)) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	r.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1/clusters?watch=true", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	patient := &http.Client{Transport: r.client.Transport}
	answer, err := patient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { answer.Body.Close() })
	return func(words string) {
		r.t.Helper()
		said, piece := "", make([]byte, 4<<10)
		for !strings.Contains(said, words) {
			n, err := answer.Body.Read(piece)
			if said += string(piece[:n]); err != nil {
				r.t.Fatalf("the watch ended during the attack: %v after %s", err, said)
			}
		}
	}
}
