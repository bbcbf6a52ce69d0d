package membership

import "github.com/prometheus/client_golang/prometheus"

// registerMetrics registers the metrics of m, unless metrics is nil.
func registerMetrics(metrics prometheus.Registerer, m *Members) {
	if metrics == nil {
		return
	}
	metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollcall_masters_alive", Help: "Masters that share the clusters, as this one sees them.",
		}, func() float64 { return float64(len(m.Alive())) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "rollcall_masters_view_frozen", Help: "Whether this master reaches neither the Leases of the masters nor Redis (1), and keeps its last view.",
		}, func() float64 {
			if m.Frozen() {
				return 1
			}
			return 0
		}),
	)
}
