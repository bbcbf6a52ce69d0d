package httpapi

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/view"
)

// metrics are the API's own. Routes are patterns and not paths, so that their number
// is bounded.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	watches  prometheus.Gauge
	ends     *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, documents *view.DocumentCache, limiter *connlimit.Limiter) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_requests_total",
			Help: "Requests by route and status; 499 is a client that did not wait for its answer.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_http_request_duration_seconds",
			Help:    "From a request's header to the end of its answer, waiting for a report included.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_http_requests_in_flight",
			Help: "Requests that are being answered, or wait for a report.",
		}),
	}
	m.watches = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_http_watches",
		Help: "Streams of events that are open.",
	})
	m.ends = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_http_watch_ends_total",
		Help: "Streams of events that ended, by why: client, timeout, slow (a reader that was cut off), or the reason and code of the ERROR event.",
	}, []string{"reason", "code"})
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_http_documents_bytes",
		Help: "Bytes of answers that are kept for all readers of a report.",
	}, func() float64 { return float64(documents.Bytes()) })
	r.MustRegister(m.requests, m.duration, m.inFlight, m.watches, m.ends, held)
	r.MustRegister(limiter.Collectors("rollcall_http", "the address for clients")...)
	return m
}

// gauge is what is counted of one route. What nearly all requests need of it is found
// once and not with each.
type gauge struct {
	metrics  *metrics
	route    string
	duration prometheus.Observer
	ok       func() prometheus.Counter
}

func (m *metrics) of(route string) *gauge {
	return &gauge{m, route, m.duration.WithLabelValues(route), sync.OnceValue(func() prometheus.Counter {
		return m.requests.WithLabelValues(route, "200")
	})}
}

func (g *gauge) observe(code int, took time.Duration) {
	g.duration.Observe(took.Seconds())
	if code == http.StatusOK {
		g.ok().Inc()
		return
	}
	g.metrics.requests.WithLabelValues(g.route, strconv.Itoa(code)).Inc()
}

// ended counts a stream's end; the code is 0 where no ERROR event told of it.
func (m *metrics) ended(reason string, code int) {
	m.ends.WithLabelValues(reason, strconv.Itoa(code)).Inc()
}
