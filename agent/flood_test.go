package agent

import (
	"net/http"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

// maxFloodMemory limits the memory that an agent needs for 3,000 connections that never end.
const maxFloodMemory = 48 << 20

// TestConnectionFloodDoesNotBlockMasters opens 3,000 connections. Some send nothing, some send the header of a request
// without its body, and some send requests and stay open.
func TestConnectionFloodDoesNotBlockMasters(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	a, signer := startSecureAgent(t, func(c *Config) {
		c.Kubeconfig, c.UsageSource, c.HealthListen = cluster.Kubeconfig, UsageNone, "127.0.0.1:0"
	})
	a.waitReadyz("https", http.StatusOK)
	dial := func(masterID string) *master {
		t.Helper()
		signed, err := signer.Sign("member", masterID, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a.dialAs(masterID, "wss", http.Header{"Authorization": {"Bearer " + signed}}, time.Second, time.Hour)
	}
	before := dial("m1")
	before.waitState("usage switched off", usageReason("Disabled"))
	flood.HTTP(t, a.addresses.Masters.String(), 20, 4, 3000, maxFloodMemory)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body := a.get("http://" + a.addresses.Health.String() + path); status != http.StatusOK {
			t.Errorf("%s during the flood: got status %d and %q, want 200", path, status, body)
		}
	}
	before.waitState("any content", func(*state.State) bool { return true })
	dial("m2").waitState("usage switched off", usageReason("Disabled"))
}
