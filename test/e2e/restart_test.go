package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/redistest"
	"rollcall.dev/rollcall/test/stack"
)

func TestRestartedMasterServesTheStateInRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	hub, master := startHub(t, "--cache", redis.URL())
	a, err := env.stack.StartAgent(t.Context(), env.member, "survivor")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.KubectlInput(a.Manifest("cacheTTL: 1m"), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	var before document
	kube.Eventually(t, 20*time.Second, func() (err error) {
		before, err = tryGetCluster(t.Context(), master, "/api/v1/clusters/survivor")
		return err
	})
	kube.Eventually(t, 20*time.Second, func() error { return checkRedisKey(redis, "survivor") })
	master.Kill()
	a.Kill() // so that only Redis has the state
	if err := master.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := tryGetCluster(t.Context(), master, "/api/v1/clusters/survivor?timeout=1s")
	if err != nil {
		t.Fatal(err)
	}
	if after.UID != before.UID || len(after.Pods) != len(before.Pods) || !sameEpoch(after, before) {
		t.Errorf("got %s with %d pods before and %s with %d pods after, want the same", before.ResourceVersion, len(before.Pods), after.ResourceVersion, len(after.Pods))
	}
	kube.Eventually(t, 20*time.Second, func() error {
		ca := clusterAgent(t, hub, "survivor")
		if ca.Status.Session.Phase == "Reporting" {
			return fmt.Errorf("status.session is still that of the killed master: %+v", ca.Status.Session)
		}
		return nil
	})
}

// sameEpoch reports whether both documents come from one run of the agent.
func sameEpoch(a, b document) bool { return epoch(a) == epoch(b) }

// epoch returns the epoch in a resourceVersion, <term>.<epoch>-<seq>.
func epoch(d document) string {
	_, behind, _ := strings.Cut(d.ResourceVersion, ".")
	epoch, _, _ := strings.Cut(behind, "-")
	return epoch
}

func TestMasterServesWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Prepare(t)
	hub, master := startHub(t, "--cache", redis.URL())
	a, err := env.stack.StartAgent(t.Context(), env.member, "uncached")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := hub.KubectlInput(a.Manifest("requestPeriod: 1s, cacheTTL: 3s"), "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	answers := func() error {
		_, err := tryGetCluster(t.Context(), master, "/api/v1/clusters/uncached")
		return err
	}
	kube.Eventually(t, 20*time.Second, answers)
	redis.Start()
	kube.Eventually(t, 30*time.Second, func() error {
		if err := answers(); err != nil {
			return err
		}
		return checkRedisKey(redis, "uncached")
	})
	redis.Stop()
	if err := answers(); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(master.LogFile)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(log), "\n"); n > 60 {
		t.Errorf("got %d log lines of the master, want at most 60:\n%s", n, log)
	}
}

// checkRedisKey returns an error unless Redis has a key of the cluster.
func checkRedisKey(redis *redistest.Server, cluster string) error {
	reply, err := redis.Do("KEYS *{" + cluster + "}*")
	if err == nil && reply == "*0" {
		err = fmt.Errorf("Redis has no key of %s", cluster)
	}
	return err
}

// startHub starts a hub and a master for this test only.
func startHub(t *testing.T, flags ...string) (*kube.Cluster, *stack.Master) {
	t.Helper()
	hub, err := kube.Start(t.Context(), kube.Options{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Close)
	master, err := env.stack.StartMaster(t.Context(), hub, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := master.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return hub, master
}
