package access

import "github.com/prometheus/client_golang/prometheus"

// These are the values of the label kind.
const (
	kindToken  = "token"
	kindAccess = "access"
)

// metrics counts reviews.
type metrics struct {
	reviews *prometheus.CounterVec
	limited *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, waiting map[string]func() int) *metrics {
	m := &metrics{
		reviews: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_access_reviews_total",
			Help: "Reviews by the hub, by kind (token, access) and outcome (allowed, denied, error).",
		}, []string{"kind", "outcome"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_access_refused_total",
			Help: "Reviews not sent to the hub due to a limit: address (unknown tokens from one address), tokens (unknown tokens from all addresses), user (waiting reviews of one user), timeout (not admitted in time).",
		}, []string{"limit"}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.reviews, m.limited)
	for queue, n := range waiting {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "rollcall_access_reviews_waiting",
			Help:        "Reviews that wait to be sent, by queue: access, known (tokens that were accepted before), unknown (other tokens).",
			ConstLabels: prometheus.Labels{"queue": queue},
		}, func() float64 { return float64(n()) }))
	}
	return m
}

// observeReview counts a review.
func (m *metrics) observeReview(kind string, allowed bool, err error) {
	outcome := "denied"
	switch {
	case err != nil:
		outcome = "error"
	case allowed:
		outcome = "allowed"
	}
	m.reviews.WithLabelValues(kind, outcome).Inc()
}
