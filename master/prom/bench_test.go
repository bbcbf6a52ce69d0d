package prom

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"runtime"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/test/load"
)

// benchFixture has clusters of about 300 containers each, with 15 minutes of usage.
type benchFixture struct {
	api       *API
	start     time.Time
	end       time.Time
	heapBytes float64
}

func newBenchFixture(b *testing.B, clusters int) *benchFixture {
	values := map[string]*session.Report{}
	var names []string
	c := &benchFixture{end: time.Now().Truncate(time.Second)}
	c.start = c.end.Add(-15 * time.Minute)
	h := history.New(history.Config{Window: 15 * time.Minute, Log: slog.New(slog.DiscardHandler)})
	revisionTimes := samples.NewRevisionTimes(15 * time.Minute)
	worlds := make([]*statetest.Cluster, clusters)
	for i := range worlds {
		worlds[i] = statetest.New(uint64(i+1), 10, 150)
		names = append(names, fmt.Sprintf("cluster-%03d", i))
	}
	before := liveHeap()
	for i, name := range names {
		usage := load.New(load.Storm, uint64(i))
		for n := range 61 {
			at := c.start.Add(time.Duration(n) * 15 * time.Second)
			values[name] = benchReport(name, worlds[i], usage, n, at)
			h.Add(name, values[name].LazyState, values[name].Summary, at)
			revisionTimes.EventHandler().OnReport(values[name], true)
		}
	}
	c.heapBytes = liveHeap() - before
	sessions := &sessiontest.Sessions{Reports: values, Statuses: map[string]session.Status{}}
	for _, name := range names {
		sessions.Registered = append(sessions.Registered, session.Registered{Name: name})
		sessions.Statuses[name] = sessiontest.StatusOf(values[name])
	}
	c.api = New(Config{
		Sessions: sessions, Registry: sessions, History: h, RevisionTimes: revisionTimes, Metrics: prometheus.NewPedanticRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	return c
}

func benchReport(name string, w *statetest.Cluster, usage *load.Usage, n int, at time.Time) *session.Report {
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
	return &session.Report{
		Cluster: name, LazyState: wire.NewLazyState(&s), Summary: state.Summarize(&s, at), ReceivedAt: at, ExpiresAt: at.Add(time.Hour), TTL: time.Hour,
		Session: session.Info{Phase: session.Reporting, StartedAt: at.Add(-time.Hour), ExpiresAt: at.Add(time.Hour)},
	}
}

// allDetails is an Authorizer that allows everything.
func allDetails(_ context.Context, clusters []string, _ bool) (map[string]Level, error) {
	levels := make(map[string]Level, len(clusters))
	for _, name := range clusters {
		levels[name] = Details
	}
	return levels, nil
}

// liveHeap returns the size of the live heap in bytes.
func liveHeap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkDashboard runs the queries of typical dashboard panels, for one cluster and for fifty.
func BenchmarkDashboard(b *testing.B) {
	for _, clusters := range []int{1, 50} {
		c := newBenchFixture(b, clusters)
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
				serve := c.api.handler("query_range", c.api.queryRange)
				for b.Loop() {
					response, err := serve(b.Context(), Request{Form: form, Authorize: allDetails})
					if err != nil {
						b.Fatal(err)
					}
					response.Close()
				}
				b.ReportMetric(c.heapBytes/float64(clusters)/1024, "history-KiB/cluster")
			})
		}
	}
}

// BenchmarkFederation scrapes all series of one cluster, and the summaries of fifty.
func BenchmarkFederation(b *testing.B) {
	c := newBenchFixture(b, 50)
	for name, form := range map[string]url.Values{"details/clusters=1": {"cluster": {"cluster-000"}}, "summaries/clusters=50": {}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				response, err := c.api.Federation().Serve(b.Context(), Request{Form: form, Authorize: allDetails})
				if err != nil {
					b.Fatal(err)
				}
				if response.Stream != nil {
					if err := response.Stream(io.Discard); err != nil {
						b.Fatal(err)
					}
				}
				response.Close()
			}
		})
	}
}
