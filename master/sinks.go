package master

import (
	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/sink"
)

// newSinks returns the sinks, nil if there are none.
func (c *Config) newSinks(metrics prometheus.Registerer) (*sink.Sinks, error) {
	if len(c.Sinks) == 0 {
		return nil, nil
	}
	return sink.New(sink.Config{URLs: c.Sinks, Log: c.Log, Metrics: metrics})
}

// sinkHandlers returns the event handler that sends reports to the sinks, none if there are none.
func sinkHandlers(s *sink.Sinks) []session.EventHandler {
	if s == nil {
		return nil
	}
	return []session.EventHandler{{
		OwnedOnly: true,
		OnReport: func(v *session.Report, usage bool) {
			s.Report(v.Cluster, v.LazyState, v.Summary, v.ReceivedAt, usage)
		},
		OnSessionEnd:     s.EndSession,
		OnClusterRemoved: s.RemoveCluster,
	}}
}
