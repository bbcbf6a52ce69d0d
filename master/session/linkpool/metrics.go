package linkpool

import "github.com/prometheus/client_golang/prometheus"

// metrics has the metrics of a Pool.
type metrics struct{ refused *prometheus.CounterVec }

// newMetrics registers the metrics, unless registerer is nil.
func newMetrics(registerer prometheus.Registerer, p *Pool) *metrics {
	m := &metrics{refused: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_links_refused_total", Help: "Links of agents that were refused or failed during the handshake, by reason.",
	}, []string{"reason"})}
	if registerer != nil {
		registerer.MustRegister(m.refused, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollcall_idle_links", Help: "Idle links of agents that dial this master.",
		}, func() float64 { return float64(p.count()) }))
	}
	return m
}
