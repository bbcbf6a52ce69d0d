package master

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/session"
)

func TestReportsAreAddedToHistory(t *testing.T) {
	c, metrics := Default(), prometheus.NewPedanticRegistry()
	h, revisionTimes := c.newHistory(metrics), prom.NewRevisionTimes(time.Minute)
	world, now := statetest.New(1, 2, 10), time.Now()
	world.Sample(state.TimeOf(now))
	v := &session.Report{Cluster: "a", State: world.State, Summary: state.Summarize(world.State, now), ReceivedAt: now}
	for _, f := range followers(h, revisionTimes) {
		f.OnReport(v, true)
	}
	held := 0
	for range h.Read("a", now).Series(state.KindContainer) {
		held++
	}
	if held == 0 {
		t.Error("no container's usage is kept")
	}
	if n, err := testutil.GatherAndCount(metrics); n != 5 || err != nil {
		t.Errorf("%d metrics, %v; want 5", n, err)
	}
	for _, f := range followers(h, revisionTimes) {
		f.OnSessionEnd("a", now.Add(time.Second))
		f.OnClusterRemoved("a")
	}
	if h.Read("a", now) != nil {
		t.Error("a cluster that went is remembered")
	}
}

func TestHistoryDisabled(t *testing.T) {
	c := Default()
	c.History = 0
	if err := c.Validate(); err != nil && strings.Contains(err.Error(), "--history") {
		t.Error(err)
	}
	if h := c.newHistory(prometheus.NewPedanticRegistry()); h != nil {
		t.Error("there is one")
	}
	if n := len(followers(nil, prom.NewRevisionTimes(0))); n != 1 {
		t.Errorf("%d follow reports, want the trail only", n)
	}
}

func TestSweepEndsWithContext(t *testing.T) {
	c := Default()
	c.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sweep(ctx, c.newHistory(prometheus.NewPedanticRegistry()))
}

func TestMasterServesPrometheusAPI(t *testing.T) {
	m := start(t, hub(t), func(*Config) {})
	m.waitForStatus("/readyz", 200)
	if _, words := m.get("/prometheus/api/v1/query?" + url.Values{"query": {"1+1"}, "time": {"4"}}.Encode()); words != `{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}` {
		t.Error(words)
	}
	if code, words := m.get("/federate"); code != 200 {
		t.Errorf("%d %s", code, words)
	}
	if _, words := m.get("/metrics"); !strings.Contains(words, "\nrollcall_history_bytes 0") || !strings.Contains(words, `rollcall_prometheus_queries_total{kind="query",outcome="success"} 1`) {
		t.Error(words)
	}
}
