package prom

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of the API.
type metrics struct {
	queries     *prometheus.CounterVec
	invalidUTF8 prometheus.Counter
}

func newMetrics(r prometheus.Registerer, running chan struct{}) *metrics {
	m := &metrics{queries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_prometheus_queries_total",
		Help: "Requests to the Prometheus API by kind and outcome. The outcome is success or Prometheus' error type.",
	}, []string{"kind", "outcome"}), invalidUTF8: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "rollcall_prometheus_cleaned_series_total",
		Help: "Series of /federate with invalid UTF-8 in their labels, which was replaced.",
	})}
	runningGauge := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_prometheus_queries_running",
		Help: "Requests to the Prometheus API that are being evaluated.",
	}, func() float64 { return float64(len(running)) })
	r.MustRegister(m.queries, m.invalidUTF8, runningGauge)
	return m
}

// observe counts a request by its outcome, and returns err.
func (m *metrics) observe(kind string, err error) error {
	outcome, apiErr := "success", (*Error)(nil)
	switch {
	case errors.As(err, &apiErr):
		outcome = string(apiErr.Type)
	case err != nil:
		outcome = string(ErrorUnavailable)
	}
	m.queries.WithLabelValues(kind, outcome).Inc()
	return err
}
