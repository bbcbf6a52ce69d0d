package controllers

import (
	"reflect"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// metrics has the reconcilers' own metrics. They have no cluster label, to limit their number.
type metrics struct {
	writes *prometheus.CounterVec
	events *prometheus.CounterVec
}

// Outcomes of an Event.
const (
	outcomeRecorded = "recorded"
	outcomeLimited  = "limited"
)

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{writes: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_status_writes_total",
		Help: "Status writes to the hub, by kind of object and by reason.",
	}, []string{"kind", "reason"})}
	m.events = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_cluster_events_total",
		Help: "Kubernetes Events about ClusterAgents by outcome: recorded, or limited because there were too many, for example of a cluster that is reachable and unreachable in turn.",
	}, []string{"outcome"})
	registerer.MustRegister(m.writes, m.events)
	return m
}

func (m *metrics) written(object client.Object, reason string) {
	m.writes.WithLabelValues(reflect.TypeOf(object).Elem().Name(), reason).Inc()
}
