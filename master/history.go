package master

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
)

const (
	// sweepPeriod is the time between two removals of old samples.
	sweepPeriod = time.Minute
	// minRevisionTimes is the shortest time for which revision times are kept, also without history.
	minRevisionTimes = 15 * time.Minute
)

// newHistory returns the history, nil if it is disabled.
func (c *Config) newHistory(metrics prometheus.Registerer) *history.History {
	if c.History == 0 {
		return nil
	}
	h := history.New(history.Config{Window: c.History, MaxBytes: c.HistoryMaxMemory, Log: c.Log})
	metrics.MustRegister(historyCollector{h})
	return h
}

// historyHandlers returns the event handlers that record reports in the history, unless it is nil,
// and in the revision times.
func historyHandlers(h *history.History, t *samples.RevisionTimes) []session.EventHandler {
	all := []session.EventHandler{t.EventHandler()}
	if h != nil {
		all = append(all, historyHandler(h))
	}
	return all
}

// historyHandler returns the event handler that adds reports to the history.
func historyHandler(h *history.History) session.EventHandler {
	return session.EventHandler{
		OnReport:         func(v *session.Report, _ bool) { h.Add(v.Cluster, v.LazyState, v.Summary, v.ReceivedAt) },
		OnSessionEnd:     h.EndSession,
		OnClusterRemoved: h.RemoveCluster,
	}
}

// historyReader returns a function that reads the history of a cluster, nil if history is disabled.
func historyReader(h *history.History) func(cluster string) *history.ClusterHistory {
	if h == nil {
		return nil
	}
	return func(cluster string) *history.ClusterHistory { return h.Read(cluster, time.Now()) }
}

// sweep removes old samples until ctx ends.
func sweep(ctx context.Context, h *history.History) {
	ticker := time.NewTicker(sweepPeriod)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			h.Sweep(now)
		case <-ctx.Done():
			return
		}
	}
}

// historyCollector exports the metrics of a history.
type historyCollector struct{ history *history.History }

var (
	historyBytes    = prometheus.NewDesc("rollcall_history_bytes", "Memory of the history of all clusters in bytes, including labels and timestamps.", nil, nil)
	historySamples  = prometheus.NewDesc("rollcall_history_samples", "Samples in the history. A reading of CPU and memory counts as two.", nil, nil)
	historyClusters = prometheus.NewDesc("rollcall_history_clusters", "Clusters with a history.", nil, nil)
	historySeries   = prometheus.NewDesc("rollcall_history_series", "Nodes and containers with usage in the history.", nil, nil)
	historyEvicted  = prometheus.NewDesc("rollcall_history_evicted_samples_total", "Samples evicted early due to the memory limit (--history-max-memory).", nil, nil)
)

// Describe implements prometheus.Collector.
func (p historyCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{historyBytes, historySamples, historyClusters, historySeries, historyEvicted} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (p historyCollector) Collect(out chan<- prometheus.Metric) {
	s := p.history.Stats()
	gauge := func(d *prometheus.Desc, value int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value))
	}
	gauge(historyBytes, s.Bytes)
	gauge(historySamples, s.Samples)
	gauge(historyClusters, int64(s.Clusters))
	gauge(historySeries, int64(s.Series))
	out <- prometheus.MustNewConstMetric(historyEvicted, prometheus.CounterValue, float64(s.EvictedSamples))
}
