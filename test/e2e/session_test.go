package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

func TestSecondGETIsServedFromTheCache(t *testing.T) {
	t.Parallel()
	a, err := env.stack.StartAgentWithKubeconfig(t.Context(), agentUser(t, env.member, "cached-agent"), "cached", "--usage-source", "none")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("idleRefresh: 0s"))
	waitMetric(t, a, "rollcall_agent_sessions", 0)

	first := getCluster(t, env.master, "cached")
	if first.Session.ID == "" || first.Session.Phase != "Reporting" || first.Stale {
		t.Errorf("first response: got session %+v, stale %v; want a reporting session", first.Session, first.Stale)
	}
	since := time.Now()
	second := getCluster(t, env.master, "cached")
	if second.Session.ID != first.Session.ID {
		t.Errorf("second response: got session %s, want %s", second.Session.ID, first.Session.ID)
	}
	if unexpected := requests(t, "cached-agent", since); len(unexpected) > 0 {
		t.Errorf("the second GET caused requests of the agent to its API server:%s", lines(unexpected))
	}
	waitMetric(t, a, "rollcall_agent_sessions", 1)
}

func TestUnreadSessionExpiresAndTheNextGETStartsAnother(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "unread", "requestPeriod: 1s, sessionDuration: 15s, cacheTTL: 3s, idleRefresh: 0s")
	waitMetric(t, a, "rollcall_agent_sessions", 0)
	idle, err := metric(t.Context(), a, "go_goroutines")
	if err != nil {
		t.Fatal(err)
	}

	first := getCluster(t, env.master, "unread")
	if duration := first.Session.ExpiresAt.Sub(first.Session.StartedAt); duration != 15*time.Second {
		t.Errorf("got a session of %s, want 15s", duration)
	}
	waitCondition(t, "unread", "Reporting", "True", "SessionOpen")
	kube.Eventually(t, 20*time.Second, func() error {
		open, err := metric(t.Context(), a, "rollcall_agent_sessions")
		if err == nil && open != 0 {
			err = fmt.Errorf("got %v sessions, want none after %s", open, first.Session.ExpiresAt)
		}
		return err
	})
	if early := time.Until(first.Session.ExpiresAt); early > time.Second {
		t.Errorf("the session ended %s early", early)
	}
	kube.Eventually(t, 5*time.Second, func() error {
		now, err := metric(t.Context(), a, "go_goroutines")
		if err == nil && now > idle {
			err = fmt.Errorf("got %v goroutines, want %v as before the session", now, idle)
		}
		return err
	})
	expired := time.Now()
	kube.Eventually(t, 12*time.Second, func() error { return checkLastEnd(t, "unread", "expired") })

	kube.Eventually(t, 5*time.Second, func() error {
		fresh, err := freshInList(t.Context(), env.master, "unread")
		if err == nil && fresh {
			err = fmt.Errorf("still fresh %s after the session's end", time.Since(expired))
		}
		return err
	})
	second := getCluster(t, env.master, "unread")
	if second.Session.ID == first.Session.ID {
		t.Errorf("got session %s again after it expired", first.Session.ID)
	}
}

// checkLastEnd returns an error unless status.session is idle with the given reason of its last end.
func checkLastEnd(t *testing.T, cluster, reason string) error {
	s := clusterAgent(t, env.hub, cluster).Status.Session
	if s.LastEndReason != reason || s.Phase != "Idle" {
		return fmt.Errorf("status.session: got %+v, want Idle after %q", s, reason)
	}
	return nil
}

// freshInList reports whether the list of clusters shows a cluster as fresh. Listing creates no demand.
func freshInList(ctx context.Context, m *stack.Master, cluster string) (bool, error) {
	response, err := m.Get(ctx, "/api/v1/clusters")
	if err != nil {
		return false, err
	}
	var list struct {
		Clusters []struct {
			Name  string
			Stale bool
		}
	}
	if err := response.Decode(&list); err != nil {
		return false, err
	}
	for _, c := range list.Clusters {
		if c.Name == cluster {
			return !c.Stale, nil
		}
	}
	return false, fmt.Errorf("%s is not in the list of clusters: %s", cluster, response.Body)
}

func TestReadSessionIsRenewedWithoutDelay(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "read", "requestPeriod: 1s, sessionDuration: 15s, cacheTTL: 6s")
	first := getCluster(t, env.master, "read")
	ticker := time.NewTicker(4 * time.Second)
	defer ticker.Stop()
	for range 9 { // more than two sessions long
		<-ticker.C
		// A response from the cache is immediate; a GET that waits for a report would get 504.
		d := getCluster(t, env.master, "read?timeout=100ms")
		if d.Session.ID != first.Session.ID {
			t.Errorf("got session %s, want %s", d.Session.ID, first.Session.ID)
		}
	}
	if started, err := metric(t.Context(), a, "rollcall_agent_sessions_started_total"); err != nil || started != 1 {
		t.Errorf("got %v started sessions (%v), want 1", started, err)
	}
}

func TestTwoHundredClientsOnAColdClusterMakeOneDial(t *testing.T) {
	t.Parallel()
	a := startAgent(t, "busy", "idleRefresh: 0s")
	var answered atomic.Int32
	var g errgroup.Group
	canceled, cancel := context.WithCancel(t.Context())
	for i := range 200 {
		g.Go(func() error {
			ctx := t.Context()
			if i == 0 {
				ctx = canceled
				defer cancel()
			}
			response, err := env.master.Get(ctx, "/api/v1/clusters/busy/summary")
			if i == 0 {
				return nil // the result of the canceled request does not matter
			}
			if err != nil {
				return err
			}
			if response.Status != http.StatusOK {
				return fmt.Errorf("%d %s", response.Status, response.Body)
			}
			answered.Add(1)
			return nil
		})
	}
	cancel()
	if err := g.Wait(); err != nil || answered.Load() != 199 {
		t.Errorf("got %d responses (%v), want 199", answered.Load(), err)
	}
	if started, err := metric(t.Context(), a, "rollcall_agent_sessions_started_total"); err != nil || started != 1 {
		t.Errorf("got %v started sessions (%v), want 1", started, err)
	}
}

func TestFlushesCauseNoAPIRequests(t *testing.T) {
	t.Parallel()
	a, err := env.stack.StartAgentWithKubeconfig(t.Context(), agentUser(t, env.member, "ticking-agent"), "ticking")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("mode: Continuous, requestPeriod: 1s, cacheTTL: 3s"))
	kube.Eventually(t, 30*time.Second, func() error {
		d, err := tryGetCluster(t.Context(), env.master, "/api/v1/clusters/ticking?wait=usage")
		if err == nil && d.section(state.SectionUsage).Error.Reason != "" {
			err = fmt.Errorf("usage: %+v", d.section(state.SectionUsage))
		}
		return err
	})
	since := time.Now()
	const watched = time.Minute
	<-time.After(watched)

	var nodes, pods int
	for _, e := range auditEvents(t, "ticking-agent", since) {
		switch {
		case e.Verb == "watch":
		case e.Verb == "list" && e.Group == "metrics.k8s.io" && e.Resource == "nodes":
			nodes++
		case e.Verb == "list" && e.Group == "metrics.k8s.io" && e.Resource == "pods":
			pods++
		default:
			t.Errorf("unexpected request of the agent while it reports: %s", e)
		}
	}
	if nodes < 3 || nodes > 5 || pods != nodes {
		t.Errorf("got %d LISTs of node metrics and %d of pod metrics in %s, want one each per 15 s", nodes, pods, watched)
	}
}
