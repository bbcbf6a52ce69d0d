package session

import "time"

// EventHandler has callbacks for reports and ends of sessions. The callbacks for one cluster are
// called in order, on the goroutine of its session, so they must return quickly and not block. Any
// of them may be nil.
type EventHandler struct {
	// OnReport is called right after a report was published. r.State is set, but its objects may be
	// compacted, so reading them may decode them. usage reports whether the report has a new usage reading.
	OnReport func(r *Report, usage bool)
	// OnSessionEnd is called when a session with at least one report has ended.
	OnSessionEnd func(cluster string, at time.Time)
	// OnClusterRemoved is called when a cluster is no longer registered. Another cluster may have
	// been registered under the same name since.
	OnClusterRemoved func(cluster string)
}

// usageReading identifies a usage reading of a cluster.
type usageReading struct{ epoch, n uint64 }

// notifyReport calls OnReport of all event handlers.
func (w *worker) notifyReport(report *Report) {
	r := usageReading{epoch: report.State.Epoch}
	if report.State.Usage != nil {
		r.n = report.State.Usage.N
	}
	usage := report.State.Usage != nil && r != w.retained.usage
	if usage {
		w.retained.usage = r
	}
	for _, h := range w.sessions.config.EventHandlers {
		if h.OnReport != nil {
			h.OnReport(report, usage)
		}
	}
}

func (w *worker) notifySessionEnd(at time.Time) {
	for _, h := range w.sessions.config.EventHandlers {
		if h.OnSessionEnd != nil {
			h.OnSessionEnd(w.name, at)
		}
	}
}

func (w *worker) notifyClusterRemoved() {
	for _, h := range w.sessions.config.EventHandlers {
		if h.OnClusterRemoved != nil {
			h.OnClusterRemoved(w.name)
		}
	}
}
