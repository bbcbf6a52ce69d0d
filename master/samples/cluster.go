package samples

import (
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

// presentWindow is how far back series reach whose value is known for the present only. A range
// query usually ends up to one step before the present.
const presentWindow = time.Minute

// Cluster is what the series of a cluster are computed from, at one time.
type Cluster struct {
	Name string
	// Report is the last one, nil if there is none.
	Report *session.Report
	// lastState is the State of Report. It is nil before the first call of state, which may fail with stateErr.
	lastState *state.State
	stateErr  error
	Status    session.Status
	// History is nil if there is none.
	History *history.ClusterHistory
	// Changes says when the objects of the report changed. Without it, they count as changed by the report.
	Changes Changes
	// Now is the time of the request, in Unix milliseconds.
	Now int64
}

// hasState reports whether there is a last report with a State.
func (c *Cluster) hasState() bool { return c.Report != nil && c.Report.HasState() }

// state returns the State of the last report. It returns nil if there is none, or if it cannot be read (StateErr).
func (c *Cluster) state() *state.State {
	if c.lastState == nil && c.stateErr == nil && c.hasState() {
		c.lastState, c.stateErr = c.Report.State()
	}
	return c.lastState
}

// StateErr returns the error if a Family that was collected could not read the State. Its series are then incomplete.
func (c *Cluster) StateErr() error { return c.stateErr }

// Fresh reports whether the last report is current enough to be served.
func (c *Cluster) Fresh() bool { return c.hasState() && c.expiredAt() == 0 }

// entryInterval returns the interval from the last change of an object to the last report.
func (c *Cluster) entryInterval(e state.Entry) interval {
	at := c.Report.ReceivedAt.UnixMilli()
	return interval{since: changedAt(c.Changes, e.Seq, at), until: at, staleAt: c.expiredAt()}
}

// reportInterval returns an interval that contains the last report only. It is used for values
// computed from many objects, as it is not known when these last changed.
func (c *Cluster) reportInterval() interval {
	at := c.Report.ReceivedAt.UnixMilli()
	return interval{since: at, until: at, staleAt: c.expiredAt()}
}

// expiredAt returns when the last report expired, in Unix milliseconds; 0 if it has not.
func (c *Cluster) expiredAt() int64 {
	if at := c.Report.ExpiresAt.UnixMilli(); at <= c.Now {
		return at
	}
	return 0
}

// sessionInterval returns the interval since the current session started, or the presentWindow
// if there is no session that reports.
func (c *Cluster) sessionInterval() interval {
	s := interval{since: c.Now - presentWindow.Milliseconds(), until: c.Now}
	if started := c.Status.Session.StartedAt; c.Status.Session.Phase == session.Reporting && !started.IsZero() {
		s.since = min(started.UnixMilli(), c.Now)
	}
	return s
}
