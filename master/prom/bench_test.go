package prom

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/load"
)

// county is clusters of some 300 containers each, with a quarter of an hour of usage.
type county struct {
	api   *API
	start time.Time
	end   time.Time
	taken float64
}

func newCounty(b *testing.B, clusters int) *county {
	values := map[string]*session.Value{}
	var names []string
	c := &county{end: time.Now().Truncate(time.Second)}
	c.start = c.end.Add(-15 * time.Minute)
	h := history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)})
	trail := NewTrail(15 * time.Minute)
	worlds := make([]*statetest.Cluster, clusters)
	for i := range worlds {
		worlds[i] = statetest.New(uint64(i+1), 10, 150)
		names = append(names, fmt.Sprintf("cluster-%03d", i))
	}
	before := heap()
	for i, name := range names {
		usage := load.New(load.Storm, uint64(i))
		for n := range 61 {
			at := c.start.Add(time.Duration(n) * 15 * time.Second)
			values[name] = reading(name, worlds[i], usage, n, at)
			h.Add(name, values[name].State, values[name].Summary, at)
			trail.Follower().Reported(values[name], true)
		}
	}
	c.taken = heap() - before
	c.api = New(Config{
		Clusters: func() []string { return names },
		Look: func(name string) (session.Glance, bool) {
			v := values[name]
			return session.Glance{Value: v, Observation: session.Observation{Session: v.Session, ReceivedAt: v.ReceivedAt}}, true
		},
		Want: func(string) {}, History: h, Trail: trail, Metrics: prometheus.NewPedanticRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	return c
}

func reading(name string, w *statetest.Cluster, usage *load.Usage, n int, at time.Time) *session.Value {
	s := *w.State
	s.Seq += uint64(n)
	u := &state.Usage{N: uint64(n + 1)}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for e := range s.Entries(kind) {
			key := fmt.Sprint(e.Object.Key())
			used := usage.At(key, usage.Base(key), n)
			u.BySlot = append(u.BySlot, make([]state.Used, max(0, int(e.Slot)+1-len(u.BySlot)))...)
			u.BySlot[e.Slot] = state.Used{CPUMillis: used.CPUMillis, MemoryBytes: used.MemoryBytes, SampledAt: state.TimeOf(at)}
		}
	}
	s.Usage = u
	return &session.Value{
		Cluster: name, State: &s, Summary: state.Summarize(&s, at), ReceivedAt: at, ExpiresAt: at.Add(time.Hour), TTL: time.Hour,
		Session: session.Info{Phase: session.Reporting, StartedAt: at.Add(-time.Hour), ExpiresAt: at.Add(time.Hour)},
	}
}

// all lets a caller see everything.
func all(_ context.Context, clusters []string, _ bool) (map[string]Level, error) {
	levels := make(map[string]Level, len(clusters))
	for _, name := range clusters {
		levels[name] = Details
	}
	return levels, nil
}

// heap is what lives, in bytes.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkDashboard is what panels of a dashboard ask, of one cluster or of fifty.
func BenchmarkDashboard(b *testing.B) {
	for _, clusters := range []int{1, 50} {
		c := newCounty(b, clusters)
		which := "cluster=\"cluster-000\""
		if clusters > 1 {
			which = "cluster=~\"cluster-.+\""
		}
		for name, query := range map[string]string{
			"cpu-by-namespace": `sum by (cluster, namespace) (rate(container_cpu_usage_seconds_total{` + which + `,container!="",image!=""}[2m]))`,
			"memory-by-pod":    `topk(10, sum by (cluster, namespace, pod) (container_memory_working_set_bytes{` + which + `,container!=""}))`,
			"not-ready":        `sum by (cluster) (kube_pod_container_status_ready{` + which + `} == 0)`,
			"requested":        `sum by (cluster) (kube_pod_container_resource_requests{` + which + `,resource="cpu"}) / sum by (cluster) (kube_node_status_allocatable{` + which + `,resource="cpu"})`,
			"pods":             `sum by (cluster) (rollcall_cluster_pods{` + which + `})`,
			"ports":            `count by (cluster, kind) (rollcall_port_info{` + which + `})`,
		} {
			b.Run(fmt.Sprintf("%s/clusters=%d", name, clusters), func(b *testing.B) {
				b.ReportAllocs()
				form := url.Values{"query": {query}, "start": {fmt.Sprint(c.start.Unix())}, "end": {fmt.Sprint(c.end.Unix())}, "step": {"15"}}
				serve := c.api.limited("query_range", c.api.queryRange)
				for b.Loop() {
					answer, err := serve(b.Context(), Request{Form: form, See: all})
					if err != nil {
						b.Fatal(err)
					}
					answer.Close()
				}
				b.ReportMetric(c.taken/float64(clusters)/1024, "history-KiB/cluster")
			})
		}
	}
}
