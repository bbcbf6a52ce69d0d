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
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
)

func TestReportsAreAddedToHistory(t *testing.T) {
	c, metrics := Default(), prometheus.NewPedanticRegistry()
	h, revisionTimes := c.newHistory(metrics), samples.NewRevisionTimes(time.Minute)
	cluster, now := statetest.New(1, 2, 10), time.Now()
	cluster.Sample(state.TimeOf(now))
	v := &session.Report{Cluster: "a", LazyState: wire.NewLazyState(cluster.State), Summary: state.Summarize(cluster.State, now), ReceivedAt: now}
	for _, f := range historyHandlers(h, revisionTimes) {
		f.OnReport(v, true)
	}
	count := 0
	for range h.Read("a", now).Series(state.KindContainer) {
		count++
	}
	if count == 0 {
		t.Error("got no usage of containers in the history")
	}
	if n, err := testutil.GatherAndCount(metrics); n != 5 || err != nil {
		t.Errorf("got %d metrics, error %v; want 5", n, err)
	}
	for _, f := range historyHandlers(h, revisionTimes) {
		f.OnSessionEnd("a", now.Add(time.Second))
		f.OnClusterRemoved("a")
	}
	if h.Read("a", now) != nil {
		t.Error("got the history of a removed cluster, want none")
	}
}

func TestHistoryDisabled(t *testing.T) {
	c := Default()
	c.History = 0
	if err := c.Validate(); err != nil && strings.Contains(err.Error(), "--history") {
		t.Error(err)
	}
	if h := c.newHistory(prometheus.NewPedanticRegistry()); h != nil {
		t.Error("got a history, want none")
	}
	if n := len(historyHandlers(nil, samples.NewRevisionTimes(0))); n != 1 {
		t.Errorf("got %d event handlers, want only that of the revision times", n)
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
	if _, body := m.get("/prometheus/api/v1/query?" + url.Values{"query": {"1+1"}, "time": {"4"}}.Encode()); body != `{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}` {
		t.Error(body)
	}
	if status, body := m.get("/federate"); status != 200 {
		t.Errorf("got %d %s, want 200", status, body)
	}
	if _, body := m.get("/metrics"); !strings.Contains(body, "\nrollcall_history_bytes 0") || !strings.Contains(body, `rollcall_prometheus_queries_total{kind="query",outcome="success"} 1`) {
		t.Error(body)
	}
}
