package session

import "time"

// Follower is told of all that sessions bring: of one cluster in order, on the
// goroutine of its session, so it must neither wait nor take long. Funcs may be nil.
type EventHandler struct {
	// Reported tells of a report when it has just been published. The value has its
	// State, whose objects may be compacted: to look at them is not free. Usage says that it
	// brought a reading of usage that no report before it had.
	OnReport func(v *Report, usage bool)
	// Ended tells that a session of which there were reports ended, for whatever reason.
	OnSessionEnd func(cluster string, at time.Time)
	// Forgotten tells that a cluster is not registered any more. One of the same name may
	// have come meanwhile.
	OnClusterRemoved func(cluster string)
}

// reading names a reading of usage.
type reading struct{ epoch, n uint64 }

// tellReport tells the followers of a report.
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
