package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/client"
	"rollcall.dev/rollcall/master/httpapi"
)

func TestClientDecodesTheMastersResponses(t *testing.T) {
	m := newShop(t, nil)
	d, err := m.Get(t.Context(), "203.0.113.7", client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := m.sessions.Reports["prod-eu"]
	switch {
	case d.Cluster != "prod-eu" || d.ResourceVersion != want.ResourceVersion() || d.Session.Phase != "Reporting" || len(d.Sections) != int(state.NumSections):
		t.Errorf("got head %+v", d.ClusterMeta)
	case len(d.Nodes) != 1 || len(d.Pods) != 2 || len(d.Containers) != 2 || len(d.Ports) != 2:
		t.Errorf("got %d nodes, %d pods, %d containers, %d ports; want 1, 2, 2, 2", len(d.Nodes), len(d.Pods), len(d.Containers), len(d.Ports))
	case d.Nodes[0].Requested.CPUMillis != 1000 || d.Ports[0].Targets[0].Pod != "web-1" || d.Summary.ProblemCount != want.Summary.ProblemCount:
		t.Errorf("got node %+v, port %+v, summary %+v", d.Nodes[0], d.Ports[0], d.Summary)
	}
	clusters, err := m.Clusters(t.Context(), client.ClusterOptions{})
	if err != nil || len(clusters.Clusters) != 4 || !clusters.Clusters[0].Suspended || clusters.ResourceVersion == "" || clusters.Clusters[2].Display == nil {
		t.Errorf("got clusters %+v, %v", clusters, err)
	}
}

func TestClientReadsAllPages(t *testing.T) {
	m := newShop(t, nil)
	var names []string
	for c, err := range client.All(t.Context(), m.Containers, "prod-eu", client.ListOptions{Limit: 1, Filter: client.Filter{Namespace: "shop"}}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"app", "log"}) {
		t.Errorf("got %q, want app and log", names)
	}
	var clusters []string
	for c, err := range m.AllClusters(t.Context(), client.ClusterOptions{Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c.Name)
	}
	if want, _ := m.sessions.Names(); !slices.Equal(clusters, want) {
		t.Errorf("got %q, want %q", clusters, want)
	}
}

func TestMastersProblemsAreTyped(t *testing.T) {
	m := newShop(t, nil)
	for cluster, want := range map[string]client.Problem{
		"none": {Status: http.StatusNotFound, Reason: "NotFound"},
		"lab":  {Status: http.StatusConflict, Reason: "Suspended"},
		"lost": {Status: http.StatusServiceUnavailable, Reason: "DialFailed", RetryAfter: 3 * time.Second},
	} {
		_, err := m.Pods(t.Context(), cluster, client.ListOptions{})
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != want.Status || p.Reason != want.Reason || p.RetryAfter != want.RetryAfter || p.Detail == "" {
			t.Errorf("%s: got %v, want %+v", cluster, err, want)
		}
	}
	_, err := m.Pods(t.Context(), "prod-eu", client.ListOptions{Filter: client.Filter{State: "asleep"}})
	var p *client.Problem
	if !errors.As(err, &p) || p.Parameter != "state" {
		t.Errorf("invalid state: got %v, want a problem with parameter state", err)
	}
}

// startCache runs a cache of prod-eu until the test ends, and returns it synced.
func startCache(t *testing.T, m *masterAPI, o client.CacheOptions) *client.Cache {
	t.Helper()
	c := client.NewCache(m.Client, "prod-eu", o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-c.Synced()
	return c
}

func TestCacheFollowsTheMaster(t *testing.T) {
	m := newShop(t, nil)
	events := make(chan string, 16)
	c := startCache(t, m, client.CacheOptions{Handlers: []client.Handlers{{
		Pod: client.Handler[state.PodView]{
			Add: func(p *state.PodView, initial bool) {
				if !initial {
					events <- "add " + p.Name
				}
			},
			Delete: func(p *state.PodView) { events <- "delete " + p.Name },
		},
		Container: client.Handler[state.ContainerView]{Update: func(old, c *state.ContainerView) { events <- fmt.Sprint(c.Name, " ", old.State, " to ", c.State) }},
		Summary:   func(sum *state.Summary) { events <- fmt.Sprint("summary ", sum.Healthy) },
	}}})
	if got := <-events; got != "summary false" || c.Summary().Healthy {
		t.Errorf("got first event %q, want summary false", got)
	}
	log := *shopObjects()[5].(*state.Container)
	log.State, log.Reason, log.NotReadySince, log.CrashLoopSince, log.Ready = state.Running, "", 0, 0, true
	m.change(t, "prod-eu", []state.Key{client.PodKey("kube-system", "dns")}, &log, &state.Pod{Namespace: "shop", Name: "web-2", Phase: state.PodPending})
	var got []string
	for range 4 {
		got = append(got, <-events)
	}
	slices.Sort(got)
	if want := []string{"add web-2", "delete dns", "log waiting to running", "summary true"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if f := c.Freshness(); f.Stale || !f.Connected || f.ResourceVersion != m.sessions.Reports["prod-eu"].ResourceVersion() || len(f.Sections) != 1 {
		t.Errorf("got freshness %+v", f)
	}
}

func TestWatchResumesFromAListOrRestarts(t *testing.T) {
	m := newShop(t, nil)
	list, err := m.Pods(t.Context(), "prod-eu", client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.change(t, "prod-eu", nil, &state.Pod{Namespace: "shop", Name: "web-2", Phase: state.PodPending})
	for version, want := range map[string]string{
		list.ResourceVersion: "ADDED Pod",
		"17.beef-4":          "RESTARTED ,ADDED Pod,ADDED Pod,ADDED Pod,ADDED Session,BOOKMARK ",
	} {
		var got []string
		for e, err := range m.Watch(t.Context(), "prod-eu", client.WatchOptions{Part: client.Pods, ResourceVersion: version}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Type, " ", e.Kind))
			if len(got) == strings.Count(want, ",")+1 {
				break
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("from %s: got %q, want %s", version, got, want)
		}
	}
}

func TestClusterWatchIncludesOneClustersDetail(t *testing.T) {
	m := newShop(t, nil)
	var got []string
	for e, err := range m.WatchClusters(t.Context(), client.WatchClustersOptions{Demand: []string{"*"}, Detail: []string{"prod-us"}, Query: "prod"}) {
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := e.Object.(*client.Cluster); ok {
			got = append(got, "cluster "+c.Name)
		} else if e.Cluster != "" {
			got = append(got, fmt.Sprint(e.Cluster, " ", e.Type, " ", e.Kind))
		}
		if e.InitialEnd && e.Cluster != "" {
			break
		}
	}
	want := []string{"cluster prod-eu", "cluster prod-us", "prod-us ADDED Node", "prod-us ADDED Pod", "prod-us ADDED Summary", "prod-us ADDED Session", "prod-us BOOKMARK "}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestUnauthenticatedWatchIsRefused(t *testing.T) {
	m := newShop(t, func(c *httpapi.Config) { c.Authenticate = unauthenticated })
	for _, err := range m.Watch(t.Context(), "prod-eu", client.WatchOptions{}) {
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("got %v, want a problem with status 401", err)
		}
	}
}
