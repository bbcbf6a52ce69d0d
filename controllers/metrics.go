package controllers

import (
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// metrics has the reconcilers' own metrics. They have no cluster label, to limit their number.
type metrics struct {
	writes *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{writes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_status_writes_total",
		Help: "Status writes to the hub, by kind of object and by reason.",
	}, []string{"kind", "reason"})}
	registerer.MustRegister(m.writes)
	return m
}

func (m *metrics) written(object client.Object, reason string) {
	m.writes.WithLabelValues(reflect.TypeOf(object).Elem().Name(), reason).Inc()
}
