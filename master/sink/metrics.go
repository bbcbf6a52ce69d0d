package sink

import "github.com/prometheus/client_golang/prometheus"

// metrics are the metrics of all sinks, with the label sink.
type metrics struct {
	queued  *prometheus.GaugeVec
	sent    *prometheus.CounterVec
	dropped *prometheus.CounterVec
	failed  *prometheus.CounterVec
	missed  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		queued: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_sink_queued_sets", Help: "Metric sets that wait to be sent. A metric set is all metrics of one container, pod, namespace, node or cluster at one time.",
		}, []string{"sink"}),
		sent:    counter("rollcall_sink_sent_sets_total", "Metric sets that the receiver accepted.", "sink"),
		dropped: counter("rollcall_sink_dropped_sets_total", "Metric sets that were not sent, by reason: the queue was full, the receiver refused them, the master shut down, or a name or value cannot be sent (invalid).", "sink", "reason"),
		failed:  counter("rollcall_sink_failed_requests_total", "Requests that failed, including retries.", "sink"),
		missed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_sink_missed_reports_total", Help: "Reports that were dropped for all sinks because too many arrived at once.",
		}),
	}
	r.MustRegister(m.queued, m.sent, m.dropped, m.failed, m.missed)
	return m
}

// sinkMetrics are the metrics of one sink.
type sinkMetrics struct {
	queued                  prometheus.Gauge
	sent, failed            prometheus.Counter
	full, refused, shutdown prometheus.Counter
	invalid                 prometheus.Counter
}

func (m *metrics) forSink(sink string) sinkMetrics {
	return sinkMetrics{
		queued: m.queued.WithLabelValues(sink), sent: m.sent.WithLabelValues(sink), failed: m.failed.WithLabelValues(sink),
		full: m.dropped.WithLabelValues(sink, "full"), refused: m.dropped.WithLabelValues(sink, "refused"), shutdown: m.dropped.WithLabelValues(sink, "shutdown"),
		invalid: m.dropped.WithLabelValues(sink, "invalid"),
	}
}
