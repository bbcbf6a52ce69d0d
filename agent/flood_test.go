package agent

import (
	"net/http"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

// floodMemory is what an agent takes for 3,000 connections that never end, at most.
const floodMemory = 48 << 20

// TestConnectionsThatNeverEndKeepNoMasterOut is the attack of 3,000 connections: some send
// nothing, some announce a body, and some ask and stay.
func TestConnectionsThatNeverEndKeepNoMasterOut(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	a, signer := startTrusted(t, func(c *Config) {
		c.Kubeconfig, c.UsageSource, c.HealthListen = cluster.Kubeconfig, UsageNone, "127.0.0.1:0"
	})
	a.becomes("https", http.StatusOK)
	dial := func(holder string) *master {
		t.Helper()
		signed, err := signer.Sign("member", holder, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return a.dialAs(holder, "wss", http.Header{"Authorization": {"Bearer " + signed}}, time.Second, time.Hour)
	}
	before := dial("m1")
	before.until("usage switched off", usageReason("Disabled"))
	flood.HTTP(t, a.addresses.Masters.String(), 20, 4, 3000, floodMemory)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, words := a.get("http://" + a.addresses.Health.String() + path); status != http.StatusOK {
			t.Errorf("health during the attack: %d %s, want 200", status, words)
		}
	}
	before.until("anything", func(*state.State) bool { return true })
	dial("m2").until("usage switched off", usageReason("Disabled"))
}
