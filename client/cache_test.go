package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/api/state"
)

// run runs a cache until the test ends, and returns the calls of its handlers of pods.
func run(t *testing.T, m *master, o CacheOptions) (*Cache, *[]string) {
	t.Helper()
	calls := &[]string{}
	record := func(format string, args ...any) { *calls = append(*calls, fmt.Sprintf(format, args...)) }
	o.Handlers = append(o.Handlers, Handlers{
		Pod: Handler[state.PodView]{
			Add:    func(p *state.PodView, initial bool) { record("add %s %v", p.Name, initial) },
			Update: func(old, p *state.PodView) { record("update %s %s to %s", p.Name, old.Phase, p.Phase) },
			Delete: func(p *state.PodView) { record("delete %s", p.Name) },
		},
		Synced: func() { record("synced") },
	})
	c := NewCache(m.Client, "prod-eu", o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v", err)
		}
	})
	return c, calls
}

func names(pods []*state.PodView) string {
	var names []string
	for _, p := range pods {
		names = append(names, p.Name)
	}
	return strings.Join(names, " ")
}

// script streams the lines that a test sends one by one.
func script(lines chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for {
			select {
			case line := <-lines:
				if line == "cut" {
					panic(http.ErrAbortHandler)
				}
				stream(line)(w, r)
			case <-r.Context().Done():
				return
			}
		}
	}
}

func send(lines chan string, more ...string) {
	for _, line := range more {
		lines <- line
	}
	synctest.Wait()
}

func TestCacheAppliesWholeChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		c, calls := run(t, serve(t, Config{}, script(lines)), CacheOptions{Part: Pods})
		send(lines, pod("ADDED", "0", "b"), pod("ADDED", "0", "a"))
		if c.HasSynced() || c.Pods().Len() != 0 || len(*calls) != 0 {
			t.Fatalf("a part of the initial state is shown: %q, %q", names(c.Pods().List()), *calls)
		}
		send(lines, initialEnd("1.e-1"))
		if want := []string{"add a true", "add b true", "synced"}; !slices.Equal(*calls, want) || !c.HasSynced() || names(c.Pods().List()) != "a b" {
			t.Fatalf("handlers got %q, want %q", *calls, want)
		}
		send(lines, pod("ADDED", "1.e-1", "c"), pod("DELETED", "1.e-1", "a"))
		if names(c.Pods().List()) != "a b" || len(*calls) != 3 {
			t.Fatalf("a part of a change is shown: %q", names(c.Pods().List()))
		}
		send(lines, strings.Replace(pod("MODIFIED", "1.e-3", "b"), "Running", "Failed", 1))
		if want := []string{"add c false", "delete a", "update b Running to Failed"}; names(c.Pods().List()) != "b c" || !slices.Equal((*calls)[3:], want) {
			t.Errorf("shows %q, handlers got %q", names(c.Pods().List()), (*calls)[3:])
		}
		if v := c.Freshness().ResourceVersion; v != "1.e-3" {
			t.Errorf("version is %s, want 1.e-3", v)
		}
	})
}

func TestCacheReportsDifferencesAfterRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		c, calls := run(t, serve(t, Config{}, script(lines), refuse(410, "Expired", ""), script(lines)), CacheOptions{Part: Pods})
		send(lines, pod("ADDED", "0", "a"), pod("ADDED", "0", "b"), pod("ADDED", "0", "c"), initialEnd("1.e-1"), "cut", pod("ADDED", "0", "d"), pod("ADDED", "0", "b"))
		if got := names(c.Pods().List()); got != "a b c" {
			t.Fatalf("during the new list it shows %q, want the old rows", got)
		}
		send(lines, strings.Replace(pod("ADDED", "0", "c"), "Running", "Failed", 1), initialEnd("2.e-1"))
		want := []string{"delete a", "update c Running to Failed", "add d false"}
		if got := (*calls)[4:]; !slices.Equal(got, want) || names(c.Pods().List()) != "b c d" {
			t.Errorf("handlers got %q, want %q; shows %q", got, want, names(c.Pods().List()))
		}
	})
}

func TestInterruptedChangeIsAppliedWhenComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		c, calls := run(t, serve(t, Config{}, script(lines)), CacheOptions{Part: Pods})
		send(lines, initialEnd("1.e-1"), pod("ADDED", "1.e-1", "a"), "cut", pod("ADDED", "1.e-1", "a"), pod("ADDED", "1.e-2", "b"))
		if want := []string{"synced", "add a false", "add b false"}; !slices.Equal(*calls, want) || names(c.Pods().List()) != "a b" {
			t.Errorf("handlers got %q, want %q", *calls, want)
		}
		send(lines, pod("DELETED", "1.e-3", "a"), pod("DELETED", "1.e-4", "a"))
		if want := []string{"delete a"}; !slices.Equal((*calls)[3:], want) {
			t.Errorf("of what is deleted twice it handlers got %q", (*calls)[3:])
		}
	})
}

func TestListersFindRowsByKeyNamespaceAndNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		c, _ := run(t, serve(t, Config{}, script(lines)), CacheOptions{})
		send(lines,
			`{"type":"ADDED","kind":"Node","resourceVersion":"0","object":{"name":"n1"}}`,
			pod("ADDED", "0", "web-1"), strings.NewReplacer("shop", "blog", "n1", "n2").Replace(pod("ADDED", "0", "wp-1")),
			`{"type":"ADDED","kind":"Container","resourceVersion":"0","object":{"namespace":"shop","pod":"web-1","name":"app","node":"n1"}}`,
			`{"type":"ADDED","kind":"Port","resourceVersion":"0","object":{"node":"*","port":31234,"protocol":"TCP","kind":"NodePort","namespace":"shop","service":"web","targets":[]}}`,
			`{"type":"ADDED","kind":"Port","resourceVersion":"0","object":{"node":"n2","port":80,"protocol":"TCP","kind":"HostPort","namespace":"blog","pod":"wp-1","targets":[]}}`,
			`{"type":"ADDED","kind":"Summary","resourceVersion":"0","object":{"healthy":true}}`,
			initialEnd("1.e-1"))
		_, node := c.Nodes().Get(NodeKey("n1"))
		_, web := c.Pods().Get(PodKey("shop", "web-1"))
		_, app := c.Containers().Get(ContainerKey("shop", "web-1", "app"))
		_, none := c.Pods().Get(PodKey("shop", "none"))
		if !node || !web || !app || none || !c.Summary().Healthy {
			t.Errorf("node %v, pod %v, container %v, none %v", node, web, app, none)
		}
		if got := names(c.Pods().InNamespace("blog")) + "," + names(c.Pods().OnNode("n1")) + "," + names(c.Pods().OnNode("n9")); got != "wp-1,web-1," {
			t.Errorf("got %q", got)
		}
		if all, one, two := len(c.Ports().OnNode("*")), len(c.Ports().OnNode("n1")), len(c.Ports().OnNode("n2")); all != 1 || one != 1 || two != 2 {
			t.Errorf("ports of all nodes %d, of n1 %d, of n2 %d", all, one, two)
		}
		send(lines, strings.Replace(pod("MODIFIED", "1.e-2", "web-1"), "n1", "n2", 1))
		if got := names(c.Pods().OnNode("n1")) + "," + names(c.Pods().OnNode("n2")); got != ",wp-1 web-1" {
			t.Errorf("after a move: %q", got)
		}
	})
}

func TestUsageUpdatesRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		calls := 0
		c, _ := run(t, serve(t, Config{}, script(lines)), CacheOptions{Handlers: []Handlers{{
			Usage:     func(*Usage) { calls++ },
			Container: Handler[state.ContainerView]{Update: func(_, _ *state.ContainerView) { t.Error("a reading called Update") }},
		}}})
		send(lines,
			`{"type":"ADDED","kind":"Node","resourceVersion":"0","object":{"name":"n1"}}`,
			`{"type":"ADDED","kind":"Container","resourceVersion":"0","object":{"namespace":"shop","pod":"web-1","name":"app","node":"n1","used":{"cpuMillis":9}}}`,
			`{"type":"ADDED","kind":"Container","resourceVersion":"0","object":{"namespace":"shop","pod":"web-2","name":"app","node":"n1","used":{"cpuMillis":9}}}`,
			initialEnd("1.e-1"),
			`{"type":"MODIFIED","kind":"Usage","resourceVersion":"1.e-2","object":{"sampledAt":"2026-11-22T05:19:00Z","nodes":{"n1":[7,8]},"containers":{"shop/web-1/app":[1,2]}}}`)
		node, _ := c.Nodes().Get(NodeKey("n1"))
		with, _ := c.Containers().Get(ContainerKey("shop", "web-1", "app"))
		without, _ := c.Containers().Get(ContainerKey("shop", "web-2", "app"))
		if node.Used.CPUMillis != 7 || with.Used.MemoryBytes != 2 || with.Used.SampledAt.IsZero() || without.Used != nil || calls != 1 || len(c.Containers().OnNode("n1")) != 2 {
			t.Errorf("node uses %+v, containers %+v and %+v, Usage called %d times", node.Used, with.Used, without.Used, calls)
		}
	})
}

func TestFreshnessReportsProblems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		var calls []string
		c, _ := run(t, serve(t, Config{}, script(lines), refuse(503, "DialFailed", "60")), CacheOptions{Handlers: []Handlers{{Freshness: func(f Freshness) {
			calls = append(calls, fmt.Sprintf("%v %v %s", f.Stale, f.Connected, f.Session.Phase))
		}}}})
		if f := c.Freshness(); !f.Stale || f.Synced || f.Connected {
			t.Errorf("at first: %+v", f)
		}
		send(lines, initialEnd("1.e-1"), bookmark("1.e-1"),
			`{"type":"MODIFIED","kind":"Session","resourceVersion":"1.e-1","object":{"phase":"Backoff","message":"refused","stale":true,"suspended":true,"sections":[{"name":"usage"}]}}`)
		if f := c.Freshness(); !f.Stale || !f.Suspended || f.Session.Message != "refused" || len(f.Sections) != 1 || !f.Connected {
			t.Errorf("without a session: %+v", f)
		}
		send(lines, "cut")
		if f := c.Freshness(); f.Connected || f.Err == nil {
			t.Errorf("after a cut: %+v", f)
		}
		if want := []string{"false true Reporting", "true true Backoff", "true false Backoff"}; !slices.Equal(calls, want) {
			t.Errorf("Freshness called with %q, want %q", calls, want)
		}
	})
}

func TestCacheEndsWithPermanentProblem(t *testing.T) {
	m := serve(t, Config{}, refuse(404, "NotFound", ""))
	c := NewCache(m.Client, "prod-eu", CacheOptions{})
	for range 2 {
		if err := c.Run(t.Context()); problem(t, err).Status != 404 || !strings.Contains(err.Error(), "cache of prod-eu") {
			t.Errorf("got %v", err)
		}
	}
	if f := c.Freshness(); f.Connected || problem(t, f.Err).Status != 404 {
		t.Errorf("then %+v", f)
	}
}

func TestCacheRunsOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := run(t, serve(t, Config{}, hold(initialEnd("1.e-1"))), CacheOptions{})
		<-c.Synced()
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "already running") {
			t.Errorf("a second time: %v", err)
		}
	})
}
