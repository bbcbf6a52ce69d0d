package session

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// EventHandler has callbacks for reports and ends of sessions. The callbacks for one cluster are
// called in order, on the goroutine of its session, so they must return quickly and not block. Any
// of them may be nil.
type EventHandler struct {
	// OwnedOnly restricts the callbacks for reports and ends of sessions to the clusters that this master owns, so that
	// of several masters exactly one calls them. Otherwise they are also called for the reports of other masters.
	OwnedOnly bool
	// OnReport is called right after a report was published. r has a State, but its objects may be
	// compact, so State may decode them. usage reports whether the report has a new usage reading.
	OnReport func(r *Report, usage bool)
	// OnSessionEnd is called when a session with at least one report has ended.
	OnSessionEnd func(cluster string, at time.Time)
	// OnClusterRemoved is called when a cluster is no longer registered. Another cluster may have
	// been registered under the same name since.
	OnClusterRemoved func(cluster string)
}

// usageReading identifies a usage reading of a cluster.
type usageReading struct{ epoch, n uint64 }

// replace records the usage reading of a state, and reports whether it is a new one.
func (u *usageReading) replace(s *wire.LazyState) bool {
	if s.Usage == nil {
		return false
	}
	before := *u
	*u = usageReading{epoch: s.Epoch, n: s.Usage.N}
	return *u != before
}

func (s *Sessions) notifyReport(r *Report, usage, owner bool) {
	for _, h := range s.config.EventHandlers {
		if h.OnReport != nil && (owner || !h.OwnedOnly) {
			h.OnReport(r, usage)
		}
	}
}

func (s *Sessions) notifySessionEnd(cluster string, at time.Time, owner bool) {
	for _, h := range s.config.EventHandlers {
		if h.OnSessionEnd != nil && (owner || !h.OwnedOnly) {
			h.OnSessionEnd(cluster, at)
		}
	}
}

func (s *Sessions) notifyClusterRemoved(cluster string) {
	for _, h := range s.config.EventHandlers {
		if h.OnClusterRemoved != nil {
			h.OnClusterRemoved(cluster)
		}
	}
}
