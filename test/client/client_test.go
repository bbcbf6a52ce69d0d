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

func TestClientUnderstandsTheMaster(t *testing.T) {
	w := shop(t, nil)
	d, err := w.Get(t.Context(), "203.0.113.7", client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := w.values["prod-eu"]
	switch {
	case d.Cluster != "prod-eu" || d.ResourceVersion != want.ResourceVersion() || d.Session.Phase != "Reporting" || len(d.Sections) != int(state.NumSections):
		t.Errorf("head %+v", d.ClusterMeta)
	case len(d.Nodes) != 1 || len(d.Pods) != 2 || len(d.Containers) != 2 || len(d.Ports) != 2:
		t.Errorf("%d nodes, %d pods, %d containers, %d ports", len(d.Nodes), len(d.Pods), len(d.Containers), len(d.Ports))
	case d.Nodes[0].Requested.CPUMillis != 1000 || d.Ports[0].Targets[0].Pod != "web-1" || d.Summary.ProblemCount != want.Summary.ProblemCount:
		t.Errorf("node %+v, port %+v, summary %+v", d.Nodes[0], d.Ports[0], d.Summary)
	}
	clusters, err := w.Clusters(t.Context(), client.ClusterOptions{})
	if err != nil || len(clusters.Clusters) != 4 || !clusters.Clusters[0].Suspended || clusters.ResourceVersion == "" || clusters.Clusters[2].Display == nil {
		t.Errorf("%+v, %v", clusters, err)
	}
}

func TestClientWalksOverTheMastersPages(t *testing.T) {
	w := shop(t, nil)
	var names []string
	for c, err := range client.All(t.Context(), w.Containers, "prod-eu", client.ListOptions{Limit: 1, Filter: client.Filter{Namespace: "shop"}}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"app", "log"}) {
		t.Errorf("got %q", names)
	}
	var clusters []string
	for c, err := range w.AllClusters(t.Context(), client.ClusterOptions{Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c.Name)
	}
	if !slices.Equal(clusters, w.names) {
		t.Errorf("got %q", clusters)
	}
}

func TestMastersProblemsAreTyped(t *testing.T) {
	w := shop(t, nil)
	for cluster, want := range map[string]client.Problem{
		"none": {Status: http.StatusNotFound, Reason: "NotFound"},
		"lab":  {Status: http.StatusConflict, Reason: "Suspended"},
		"lost": {Status: http.StatusServiceUnavailable, Reason: "DialFailed", RetryAfter: 3 * time.Second},
	} {
		_, err := w.Pods(t.Context(), cluster, client.ListOptions{})
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != want.Status || p.Reason != want.Reason || p.RetryAfter != want.RetryAfter || p.Detail == "" {
			t.Errorf("%s: %v, want %+v", cluster, err, want)
		}
	}
	_, err := w.Pods(t.Context(), "prod-eu", client.ListOptions{Filter: client.Filter{State: "asleep"}})
	var p *client.Problem
	if !errors.As(err, &p) || p.Parameter != "state" {
		t.Errorf("a wrong state: %v", err)
	}
}

// cached runs a cache until the test ends.
func cached(t *testing.T, w *world, o client.CacheOptions) *client.Cache {
	t.Helper()
	c := client.NewCache(w.Client, "prod-eu", o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-c.Synced()
	return c
}

func TestCacheFollowsTheMaster(t *testing.T) {
	w := shop(t, nil)
	heard := make(chan string, 16)
	c := cached(t, w, client.CacheOptions{Handlers: []client.Handlers{{
		Pod: client.Handler[state.PodView]{
			Add: func(p *state.PodView, initial bool) {
				if !initial {
					heard <- "add " + p.Name
				}
			},
			Delete: func(p *state.PodView) { heard <- "delete " + p.Name },
		},
		Container: client.Handler[state.ContainerView]{Update: func(old, c *state.ContainerView) { heard <- fmt.Sprint(c.Name, " ", old.State, " to ", c.State) }},
		Summary:   func(sum *state.Summary) { heard <- fmt.Sprint("summary ", sum.Healthy) },
	}}})
	if got := <-heard; got != "summary false" || c.Summary().Healthy {
		t.Errorf("first heard %q", got)
	}
	log := *objects()[5].(*state.Container)
	log.State, log.Reason, log.NotReadySince, log.CrashLoopSince, log.Ready = state.Running, "", 0, 0, true
	w.change(t, "prod-eu", []state.Key{client.PodKey("kube-system", "dns")}, &log, &state.Pod{Namespace: "shop", Name: "web-2", Phase: state.PodPending})
	var got []string
	for range 4 {
		got = append(got, <-heard)
	}
	slices.Sort(got)
	if want := []string{"add web-2", "delete dns", "log waiting to running", "summary true"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if f := c.Freshness(); f.Stale || !f.Connected || f.ResourceVersion != w.values["prod-eu"].ResourceVersion() || len(f.Sections) != 1 {
		t.Errorf("is %+v", f)
	}
}

func TestWatchGoesOnFromAListAndBeginsAnewWhereItCannot(t *testing.T) {
	w := shop(t, nil)
	list, err := w.Pods(t.Context(), "prod-eu", client.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.change(t, "prod-eu", nil, &state.Pod{Namespace: "shop", Name: "web-2", Phase: state.PodPending})
	for version, want := range map[string]string{
		list.ResourceVersion: "ADDED Pod",
		"17.beef-4":          "RESTARTED ,ADDED Pod,ADDED Pod,ADDED Pod,ADDED Session,BOOKMARK ",
	} {
		var got []string
		for e, err := range w.Watch(t.Context(), "prod-eu", client.WatchOptions{Part: client.Pods, ResourceVersion: version}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(e.Type, " ", e.Kind))
			if len(got) == strings.Count(want, ",")+1 {
				break
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("from %s: %q, want %s", version, got, want)
		}
	}
}

func TestFleetIsFollowedWithOneClustersDetail(t *testing.T) {
	w := shop(t, nil)
	var got []string
	for e, err := range w.WatchClusters(t.Context(), client.WatchClustersOptions{Demand: []string{"*"}, Detail: []string{"prod-us"}, Query: "prod"}) {
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
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

func TestWatchOfWhomNobodyKnowsIsRefused(t *testing.T) {
	w := shop(t, func(c *httpapi.Config) { c.Authenticate = unauthenticated })
	for _, err := range w.Watch(t.Context(), "prod-eu", client.WatchOptions{}) {
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("got %v", err)
		}
	}
}
