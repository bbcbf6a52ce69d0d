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

// metrics holds the API's own metrics. Routes are patterns, not paths, so that the number of series
// is bounded.
type metrics struct {
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	inFlight  prometheus.Gauge
	watches   prometheus.Gauge
	watchEnds *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, documents *view.DocumentCache, limiter *connlimit.Limiter) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_http_requests_total",
			Help: "Requests by route and status code; 499 means that the client disconnected before its response.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rollcall_http_request_duration_seconds",
			Help:    "Time from the header of a request to the end of its response, including the wait for a report.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "rollcall_http_requests_in_flight",
			Help: "Requests that are being handled, including those that wait for a report.",
		}),
	}
	m.watches = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rollcall_http_watches",
		Help: "Open event streams.",
	})
	m.watchEnds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_http_watch_ends_total",
		Help: "Event streams that ended, by reason: client (disconnected), timeout, slow (client did not read), or the reason and code of the ERROR event.",
	}, []string{"reason", "code"})
	cachedBytes := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "rollcall_http_documents_bytes",
		Help: "Bytes of encoded documents in the cache.",
	}, func() float64 { return float64(documents.Bytes()) })
	r.MustRegister(m.requests, m.duration, m.inFlight, m.watches, m.watchEnds, cachedBytes)
	r.MustRegister(limiter.Collectors("rollcall_http", "the address for clients")...)
	return m
}

// routeMetrics holds the metrics of one route. The frequent ones are looked up once, not per
// request.
type routeMetrics struct {
	metrics  *metrics
	route    string
	duration prometheus.Observer
	ok       func() prometheus.Counter
}

func (m *metrics) forRoute(route string) *routeMetrics {
	return &routeMetrics{m, route, m.duration.WithLabelValues(route), sync.OnceValue(func() prometheus.Counter {
		return m.requests.WithLabelValues(route, "200")
	})}
}

func (m *routeMetrics) observe(code int, took time.Duration) {
	m.duration.Observe(took.Seconds())
	if code == http.StatusOK {
		m.ok().Inc()
		return
	}
	m.metrics.requests.WithLabelValues(m.route, strconv.Itoa(code)).Inc()
}

// streamEnded counts the end of a stream. code is 0 if no ERROR event was sent.
func (m *metrics) streamEnded(reason string, code int) {
	m.watchEnds.WithLabelValues(reason, strconv.Itoa(code)).Inc()
}
