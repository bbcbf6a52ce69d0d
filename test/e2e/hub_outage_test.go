package e2e

import (
	"fmt"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/kube"
)

// TestReadsContinueWhileTheHubHangs suspends the hub's API server for longer than a Lease is valid, and reads a reporting
// cluster meanwhile.
func TestReadsContinueWhileTheHubHangs(t *testing.T) {
	t.Parallel()
	hub, master := startHub(t)
	a, err := env.stack.StartAgent(t.Context(), env.member, "during-outage")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.KubectlInput(a.Manifest("requestPeriod: 1s"), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	read := func() error {
		d, err := tryGetCluster(t.Context(), master, "/api/v1/clusters/during-outage")
		if age := time.Since(d.ReceivedAt); err == nil && age > 5*time.Second {
			err = fmt.Errorf("the report is %s old, want less than 5 s", age)
		}
		return err
	}
	kube.Eventually(t, 20*time.Second, read)
	hub.FreezeAPIServer()
	t.Cleanup(hub.ThawAPIServer)
	began := time.Now()
	for time.Since(began) < 25*time.Second {
		if err := read(); err != nil {
			t.Fatalf("%s after the API server stopped: %v", time.Since(began), err)
		}
		<-time.After(100 * time.Millisecond)
	}
	hub.ThawAPIServer()
	thawed := time.Now()
	kube.Eventually(t, time.Minute, func() error {
		if err := read(); err != nil {
			return err
		}
		out, err := hub.Kubectl("get", "clusterstatus", "during-outage", "-o", "jsonpath={.status.observedAt}")
		if err != nil {
			return err
		}
		if observed, err := time.Parse(time.RFC3339, out); err != nil || observed.Before(thawed) {
			return fmt.Errorf("the status was observed at %s, want after %s, when the API server answered again", out, thawed)
		}
		return nil
	})
}
