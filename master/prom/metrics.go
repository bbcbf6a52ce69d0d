package prom

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count queries.
type metrics struct {
	queries *prometheus.CounterVec
	cleaned prometheus.Counter
}

func newMetrics(r prometheus.Registerer, turns chan struct{}) *metrics {
	m := &metrics{queries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_prometheus_queries_total",
		Help: "Requests of the Prometheus API by what was asked and how it ended: success, or Prometheus' error type.",
	}, []string{"kind", "outcome"}), cleaned: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rollcall_prometheus_cleaned_series_total",
		Help: "Series of /federate in whose labels bytes were replaced that are no UTF-8.",
	})}
	running := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_prometheus_queries_running",
		Help: "Requests of the Prometheus API that are being answered.",
	}, func() float64 { return float64(len(turns)) })
	r.MustRegister(m.queries, m.cleaned, running)
	return m
}

// ended counts how a request ended.
func (m *metrics) ended(kind string, err error) error {
	outcome, as := "success", (*Error)(nil)
	switch {
	case errors.As(err, &as):
		outcome = string(as.Type)
	case err != nil:
		outcome = string(ErrorUnavailable)
	}
	m.queries.WithLabelValues(kind, outcome).Inc()
	return err
}
