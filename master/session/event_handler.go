package session

import "time"

// EventHandler has callbacks for reports and ends of sessions. The callbacks for one cluster are
// called in order, on the goroutine of its session, so they must return quickly and not block. Any
// of them may be nil.
type EventHandler struct {
	// OnReport is called right after a report was published. v.State is set, but its objects may be
	// compacted, so reading them may decode them. usage reports whether the report has a new usage
	// reading.
	OnReport func(v *Report, usage bool)
	// OnSessionEnd is called when a session with at least one report has ended.
	OnSessionEnd func(cluster string, at time.Time)
	// OnClusterRemoved is called when a cluster is no longer registered. Another cluster may have
	// been registered under the same name since.
	OnClusterRemoved func(cluster string)
}

// reading names a reading of usage.
type reading struct{ epoch, n uint64 }

// tellReport calls OnReport of all event handlers.
func (w *worker) tellReport(v *Report) {
	r := reading{epoch: v.State.Epoch}
	if v.State.Usage != nil {
		r.n = v.State.Usage.N
	}
	usage := v.State.Usage != nil && r != w.past.reading
	if usage {
		w.past.reading = r
	}
	for _, f := range w.sessions.config.EventHandlers {
		if f.OnReport != nil {
			f.OnReport(v, usage)
		}
	}
}

func (w *worker) tellEnd(at time.Time) {
	for _, f := range w.sessions.config.EventHandlers {
		if f.OnSessionEnd != nil {
			f.OnSessionEnd(w.name, at)
		}
	}
}

func (w *worker) tellForgotten() {
	for _, f := range w.sessions.config.EventHandlers {
		if f.OnClusterRemoved != nil {
			f.OnClusterRemoved(w.name)
		}
	}
}
