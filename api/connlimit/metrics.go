package connlimit

import "github.com/prometheus/client_golang/prometheus"

// Collectors returns the metrics of a Limiter: PREFIX_connections, a gauge, and
// PREFIX_connections_refused_total with the label limit, which is total or address. server names
// the server in the help texts.
func (l *Limiter) Collectors(prefix, server string) []prometheus.Collector {
	refused := func(limit string, count func(Refused) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name:        prefix + "_connections_refused_total",
			Help:        "Connections to " + server + " that were closed at once, and requests that were answered by 429, because of a limit: total, or address for callers that are not authenticated.",
			ConstLabels: prometheus.Labels{"limit": limit},
		}, func() float64 { return float64(count(l.Refused())) })
	}
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: prefix + "_connections",
			Help: "Open connections to " + server + ".",
		}, func() float64 { return float64(l.Open()) }),
		refused("total", func(r Refused) uint64 { return r.Total }),
		refused("address", func(r Refused) uint64 { return r.PerAddress }),
	}
}
