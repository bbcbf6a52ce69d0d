package report

import "github.com/prometheus/client_golang/prometheus"

// metrics holds the metrics of a Handler.
type metrics struct {
	sent    prometheus.Counter
	started prometheus.Counter
	ended   *prometheus.CounterVec
	refused *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, conns *connRegistry) *metrics {
	m := &metrics{
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_agent_sent_bytes_total", Help: "Bytes of messages sent to masters.",
		}),
		started: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "rollcall_agent_sessions_started_total", Help: "Sessions that were opened.",
		}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_agent_sessions_ended_total", Help: "Sessions that ended, by reason.",
		}, []string{"reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_agent_dials_refused_total", Help: "Connections of masters that were refused, by reason. The reason signature is after the upgrade to a websocket, all others are before it.",
		}, []string{"reason"}),
	}
	open := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_agent_sessions", Help: "Open sessions.",
	}, func() float64 { return float64(conns.sessionCount()) })
	reg.MustRegister(m.sent, m.started, m.ended, m.refused, open)
	return m
}
