package dial

import (
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/link"
)

// metrics has the metrics of a Dialer.
type metrics struct {
	idle     prometheus.Gauge
	failures *prometheus.CounterVec
	linked   atomic.Bool
}

// newMetrics registers the metrics, unless registerer is nil.
func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		idle: prometheus.NewGauge(prometheus.GaugeOpts{Name: "rollcall_agent_link_idle", Help: "1 if this agent has an idle link to a master, on which sessions can begin."}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_agent_link_failures_total", Help: "Attempts to link to the hub that failed, by reason: the code of the master's refusal, MasterNotProved, or DialFailed.",
		}, []string{"reason"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.idle, m.failures)
	}
	return m
}

// failed counts a failed attempt.
func (m *metrics) failed(err error) {
	reason := "DialFailed"
	if refused := (*link.Refused)(nil); errors.As(err, &refused) {
		reason = string(refused.Code)
	} else if errors.Is(err, link.ErrMasterNotProved) {
		reason = string(link.MasterNotProved)
	}
	m.failures.WithLabelValues(reason).Inc()
}

// linkedBefore reports whether it was called before.
func (m *metrics) linkedBefore() bool { return m.linked.Swap(true) }
