package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

func TestFirstGETDialsAndTheSecondIsAnsweredFromTheCache(t *testing.T) {
	t.Parallel()
	a, err := world.stack.StartAgentWithKubeconfig(t.Context(), agentUser(t, world.member, "cached-agent"), "cached", "--usage-source", "none")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("idleRefresh: 0s"))
	holds(t, a, "rollcall_agent_sessions", 0)

	first := ask(t, world.master, "cached")
	if first.Session.ID == "" || first.Session.Phase != "Reporting" || first.Stale {
		t.Errorf("first answer: session %+v, stale %v", first.Session, first.Stale)
	}
	since := time.Now()
	second := ask(t, world.master, "cached")
	if second.Session.ID != first.Session.ID {
		t.Errorf("second answer is of session %s, want %s", second.Session.ID, first.Session.ID)
	}
	if asked := requests(t, "cached-agent", since); len(asked) > 0 {
		t.Errorf("the second GET made the agent ask its API server:%s", lines(asked))
	}
	holds(t, a, "rollcall_agent_sessions", 1)
}

func TestUnreadSessionExpiresAndTheNextGETStartsAnother(t *testing.T) {
	t.Parallel()
	a := agent(t, "unread", "requestPeriod: 1s, sessionDuration: 15s, cacheTTL: 3s, idleRefresh: 0s")
	holds(t, a, "rollcall_agent_sessions", 0)
	idle, err := metric(t.Context(), a, "go_goroutines")
	if err != nil {
		t.Fatal(err)
	}

	first := ask(t, world.master, "unread")
	if lasts := first.Session.ExpiresAt.Sub(first.Session.StartedAt); lasts != 15*time.Second {
		t.Errorf("the session is to last %s, want 15s", lasts)
	}
	condition(t, "unread", "Reporting", "True", "SessionOpen")
	kube.Eventually(t, 20*time.Second, func() error {
		open, err := metric(t.Context(), a, "rollcall_agent_sessions")
		if err == nil && open != 0 {
			err = fmt.Errorf("%v sessions although it expires at %s", open, first.Session.ExpiresAt)
		}
		return err
	})
	if early := time.Until(first.Session.ExpiresAt); early > time.Second {
		t.Errorf("the session ended %s too early", early)
	}
	kube.Eventually(t, 5*time.Second, func() error {
		now, err := metric(t.Context(), a, "go_goroutines")
		if err == nil && now > idle {
			err = fmt.Errorf("%v goroutines, before the session %v", now, idle)
		}
		return err
	})
	expired := time.Now()
	kube.Eventually(t, 12*time.Second, func() error { return wantEnd(t, "unread", "expired") })

	kube.Eventually(t, 5*time.Second, func() error {
		fresh, err := freshInList(t.Context(), world.master, "unread")
		if err == nil && fresh {
			err = fmt.Errorf("still fresh %s after the session's end", time.Since(expired))
		}
		return err
	})
	second := ask(t, world.master, "unread")
	if second.Session.ID == first.Session.ID {
		t.Errorf("session %s came back after it expired", first.Session.ID)
	}
}

func wantEnd(t *testing.T, cluster, reason string) error {
	s := clusterAgent(t, world.hub, cluster).Status.Session
	if s.LastEndReason != reason || s.Phase != "Idle" {
		return fmt.Errorf("status.session is %+v, want Idle after %q", s, reason)
	}
	return nil
}

// freshInList reports whether /clusters, which creates no demand, shows a cluster as fresh.
func freshInList(ctx context.Context, m *stack.Master, cluster string) (bool, error) {
	answer, err := m.Get(ctx, "/api/v1/clusters")
	if err != nil {
		return false, err
	}
	var list struct {
		Clusters []struct {
			Name  string
			Stale bool
		}
	}
	if err := answer.Decode(&list); err != nil {
		return false, err
	}
	for _, c := range list.Clusters {
		if c.Name == cluster {
			return !c.Stale, nil
		}
	}
	return false, fmt.Errorf("%s is not in the list of clusters: %s", cluster, answer.Body)
}

func TestReadSessionIsRenewedAndNobodyWaits(t *testing.T) {
	t.Parallel()
	a := agent(t, "read", "requestPeriod: 1s, sessionDuration: 15s, cacheTTL: 6s")
	first := ask(t, world.master, "read")
	ticker := time.NewTicker(4 * time.Second)
	defer ticker.Stop()
	for range 9 { // more than two sessions long
		<-ticker.C
		// What is in the cache needs no time: 504 where a GET had to wait for a report.
		d := ask(t, world.master, "read?timeout=100ms")
		if d.Session.ID != first.Session.ID {
			t.Errorf("session %s became %s", first.Session.ID, d.Session.ID)
		}
	}
	if started, err := metric(t.Context(), a, "rollcall_agent_sessions_started_total"); err != nil || started != 1 {
		t.Errorf("%v sessions were started, want 1 (%v)", started, err)
	}
}

func TestTwoHundredClientsOnAColdClusterMakeOneDial(t *testing.T) {
	t.Parallel()
	a := agent(t, "crowd", "idleRefresh: 0s")
	var answered atomic.Int32
	var g errgroup.Group
	gone, leave := context.WithCancel(t.Context())
	for i := range 200 {
		g.Go(func() error {
			ctx := t.Context()
			if i == 0 {
				ctx = gone
				defer leave()
			}
			answer, err := world.master.Get(ctx, "/api/v1/clusters/crowd/summary")
			if i == 0 {
				return nil // whether the one that goes away got something does not matter
			}
			if err != nil {
				return err
			}
			if answer.Status != http.StatusOK {
				return fmt.Errorf("%d %s", answer.Status, answer.Body)
			}
			answered.Add(1)
			return nil
		})
	}
	leave()
	if err := g.Wait(); err != nil || answered.Load() != 199 {
		t.Errorf("%d of 199 were answered: %v", answered.Load(), err)
	}
	if started, err := metric(t.Context(), a, "rollcall_agent_sessions_started_total"); err != nil || started != 1 {
		t.Errorf("%v sessions were started, want 1 (%v)", started, err)
	}
}

func TestTicksCostNoAPICall(t *testing.T) {
	t.Parallel()
	a, err := world.stack.StartAgentWithKubeconfig(t.Context(), agentUser(t, world.member, "ticking-agent"), "ticking")
	if err != nil {
		t.Fatal(err)
	}
	register(t, a.Manifest("mode: Continuous, requestPeriod: 1s, cacheTTL: 3s"))
	kube.Eventually(t, 30*time.Second, func() error {
		d, err := tryAsk(t.Context(), world.master, "/api/v1/clusters/ticking?wait=usage")
		if err == nil && d.section(4).Error.Reason != "" {
			err = fmt.Errorf("usage: %+v", d.section(4))
		}
		return err
	})
	since := time.Now()
	const watched = time.Minute
	<-time.After(watched)

	var nodes, pods int
	for _, e := range mustAudit(t, "ticking-agent", since) {
		switch {
		case e.Verb == "watch":
		case e.Verb == "list" && e.Group == "metrics.k8s.io" && e.Resource == "nodes":
			nodes++
		case e.Verb == "list" && e.Group == "metrics.k8s.io" && e.Resource == "pods":
			pods++
		default:
			t.Errorf("while it reports the agent asked: %s", e)
		}
	}
	if nodes < 3 || nodes > 5 || pods != nodes {
		t.Errorf("usage was read with %d LISTs of nodes and %d of pods in %s, want one each per 15 s", nodes, pods, watched)
	}
}
