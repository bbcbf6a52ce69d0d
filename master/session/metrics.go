package session

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics has the counters, which are updated as events happen. The collector has the gauges.
type metrics struct {
	dials    *prometheus.CounterVec
	received prometheus.Counter
	requests *prometheus.CounterVec
	// hits is the counter of requests with the result "hit".
	hits prometheus.Counter
	// unstored counts reports that were published before the Store had them.
	unstored prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		dials: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_dials_total", Help: "Dials of agents, by purpose (session or summary) and outcome: succeeded, given up, or the reason of the failure.",
		}, []string{"purpose", "outcome"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_received_bytes_total", Help: "Bytes of reports received from agents.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_cache_requests_total", Help: "Requests for a cluster's report by result: hit (in memory), stored (loaded from the store), miss (waited for a report), or failed.",
		}, []string{"result"}),
		unstored: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_reports_unstored_total", Help: "Reports that clients got before the cache had them, since the cache was too slow or unavailable. After a failure of this master, clients may get an older report and version.",
		}),
	}
	m.hits = m.requests.WithLabelValues("hit")
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.dials, m.received, m.requests, m.unstored}
}

func (m *metrics) observeDial(p purpose, outcome string) {
	name := "session"
	if p == purposeSummary {
		name = "summary"
	}
	m.dials.WithLabelValues(name, outcome).Inc()
}

// observeRequest counts a request. r is its report, or nil if it failed.
func (m *metrics) observeRequest(r *Report, waited bool) {
	result := "hit"
	switch {
	case r == nil:
		result = "failed"
	case r.Stored && waited:
		result = "stored"
	case waited:
		result = "miss"
	}
	m.requests.WithLabelValues(result).Inc()
}

// collector is a prometheus.Collector that reads the gauges at each scrape.
type collector struct{ s *Sessions }

var (
	phasesDesc  = prometheus.NewDesc("rollcall_sessions", "Clusters by the phase of their session.", []string{"phase"}, nil)
	readersDesc = prometheus.NewDesc("rollcall_waiting_readers", "Requests that wait for a report.", nil, nil)
	queuesDesc  = prometheus.NewDesc("rollcall_queue_length", "Waiting work: handshakes (session starts), decode (snapshots that wait for a processor), store_loads (lookups in the cache), events (clusters with a change to reconcile).", []string{"queue"}, nil)
	ageDesc     = prometheus.NewDesc("rollcall_oldest_report_age_seconds", "Age of the oldest report that may still be served, across all clusters. It has no label for the cluster, since readers of metrics may not have access to every cluster.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{phasesDesc, readersDesc, queuesDesc, ageDesc} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(out chan<- prometheus.Metric) {
	phases := map[Phase]int{Idle: 0, Connecting: 0, Reporting: 0, Backoff: 0}
	readers, oldest, now := 0, time.Duration(-1), time.Now()
	for _, cluster := range c.s.allClusters() {
		cluster.mu.Lock()
		phase, waiting, r := cluster.status.Session.Phase, cluster.demand.waiters, cluster.report
		cluster.mu.Unlock()
		phases[phase]++
		readers += waiting
		if r != nil && r.Fresh(now) {
			oldest = max(oldest, now.Sub(r.ReceivedAt))
		}
	}
	for phase, n := range phases {
		out <- prometheus.MustNewConstMetric(phasesDesc, prometheus.GaugeValue, float64(n), string(phase))
	}
	for queue, n := range map[string]int{"handshakes": c.s.limits.Handshakes.Waiting(), "decode": c.s.limits.CPU.Waiting(), "store_loads": c.s.limits.StoreLoads.Waiting(), "events": c.s.updates.len()} {
		out <- prometheus.MustNewConstMetric(queuesDesc, prometheus.GaugeValue, float64(n), queue)
	}
	if oldest >= 0 {
		out <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, oldest.Seconds())
	}
	out <- prometheus.MustNewConstMetric(readersDesc, prometheus.GaugeValue, float64(readers))
}
