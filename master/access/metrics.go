package access

import "github.com/prometheus/client_golang/prometheus"

// Values of the label kind.
const (
	kindToken  = "token"
	kindAccess = "access"
)

// metrics count what the hub is asked.
type metrics struct {
	reviews *prometheus.CounterVec
	refused *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, waiting map[string]func() int) *metrics {
	m := &metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_access_reviews_total",
			Help: "Reviews that the hub was asked for, by kind (token, access) and outcome (allowed, denied, error).",
		}, []string{"kind", "outcome"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_access_refused_total",
			Help: "Requests for which the hub was not asked, by limit: address (tokens of one address that are not known), tokens (those of all addresses), user (reviews of one user that wait), timeout (the turn did not come in time).",
		}, []string{"limit"}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.reviews, m.refused)
	for queue, n := range waiting {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "rollcall_access_reviews_waiting",
			Help:        "Reviews that wait for their turn, by queue: access, known (tokens that were accepted before), unknown (other tokens).",
			ConstLabels: prometheus.Labels{"queue": queue},
		}, func() float64 { return float64(n()) }))
	}
	return m
}

// reviewed counts an answer of the hub.
func (m *metrics) reviewed(kind string, allowed bool, err error) {
	outcome := "denied"
	switch {
	case err != nil:
		outcome = "error"
	case allowed:
		outcome = "allowed"
	}
	m.reviews.WithLabelValues(kind, outcome).Inc()
}
