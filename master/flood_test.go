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

// floodMemory is the memory limit of a master with 18,000 connections that never end. docs/API.md
// states it.
const floodMemory = 256 << 20

// TestConnectionFloodDoesNotBlockClients floods a master by three processes with 6,000 connections
// each: one sends nothing, one announces a body, and one sends a request and keeps the connection.
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
		response, err := probe.Get(health + path)
		if err != nil {
			t.Fatalf("health during the attack: %v", err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("health during the attack: got %d, want 200", response.StatusCode)
		}
	}
	for range 50 {
		if status, body := r.get("/api/v1/clusters"); status != http.StatusOK {
			t.Errorf("authenticated request during the attack: got %d %s, want 200", status, body)
		}
	}
	register(t, cluster, "during-the-attack", `{endpoint: "wss://127.0.0.1:1", suspend: true}`)
	watch("during-the-attack")
	if _, page := r.get("/metrics"); !strings.Contains(page, `rollcall_http_connections_refused_total{limit="address"}`) {
		t.Error("metrics do not count the refused connections")
	}
	if !strings.Contains(r.log.String(), "over a limit") {
		t.Errorf("got log\n%s\nwant a line about the limit", r.log)
	}
}

// watch watches the list of clusters. It returns a function that waits until text has been received.
func (r *testMaster) watch() (waitFor func(text string)) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	r.t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1/clusters?watch=true", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	noTimeout := &http.Client{Transport: r.client.Transport}
	response, err := noTimeout.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { response.Body.Close() })
	return func(text string) {
		r.t.Helper()
		received, buffer := "", make([]byte, 4<<10)
		for !strings.Contains(received, text) {
			n, err := response.Body.Read(buffer)
			if received += string(buffer[:n]); err != nil {
				r.t.Fatalf("the watch ended during the attack: %v after %s", err, received)
			}
		}
	}
}
