package view

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Report is one report of a cluster's agent, as the master holds it.
type Report struct {
	// Source is the pointer that the report was made from: two reports with the same Source are
	// equal. Nil if that does not matter.
	Source any
	// Cluster is the resolved name, even if the client asked by IP address.
	Cluster string
	UID     string
	// ResourceVersion changes with objects, usage and section errors.
	ResourceVersion string
	// ReceivedAt is when the master had received the complete report, by its own clock.
	ReceivedAt time.Time
	// TTL is how long after ReceivedAt the report is fresh.
	TTL     time.Duration
	Session Session
	State   *state.State
	Summary state.Summary
}

// Session is the session that delivered a report, or the current session of a cluster.
type Session struct {
	ID string `json:"id,omitempty"`
	// Phase is Idle, Connecting, Reporting or Backoff.
	Phase     string    `json:"phase,omitempty"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// Reason says why the agent cannot be reached or what else is wrong, like the reason of the
	// condition Ready of its ClusterAgent. Message is its human-readable form. Both are empty if
	// nothing is wrong.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// ObservedAt returns the time at which all facts of the report were known to be true: the oldest
// time of the sections that have data. Usage does not count, because each usage sample has its own
// time. The result is zero if no section has data.
func (r *Report) ObservedAt() time.Time {
	var oldest time.Time
	for name, s := range r.State.Sections {
		if state.SectionName(name) == state.SectionUsage || s.ObservedAt.IsZero() {
			continue
		}
		if oldest.IsZero() || s.ObservedAt.Before(oldest) {
			oldest = s.ObservedAt
		}
	}
	return oldest
}

// Stale reports whether a section is out of date although reports arrive: it was observed more than
// the TTL before the report was received. Usage has its own period, which may be longer than the
// TTL, so it is stale only if reading it fails. Usage that is only partly readable (reason
// "Partial") is fresh. A section that never had data is not stale; its error describes it.
func (r *Report) Stale() bool {
	for name, s := range r.State.Sections {
		usage := state.SectionName(name) == state.SectionUsage
		if s.ObservedAt.IsZero() || usage && (s.Error.Reason == "" || s.Error.Reason == "Partial") {
			continue
		}
		if r.ReceivedAt.Sub(s.ObservedAt) > r.TTL {
			return true
		}
	}
	return false
}

// Fresh reports whether the report has not expired at now.
func (r *Report) Fresh(now time.Time) bool { return now.Before(r.ReceivedAt.Add(r.TTL)) }

// equal reports whether o is the same report as r.
func (r *Report) equal(o *Report) bool {
	return r.State == o.State && r.ReceivedAt.Equal(o.ReceivedAt) && r.ResourceVersion == o.ResourceVersion &&
		r.Session == o.Session && r.Cluster == o.Cluster && r.UID == o.UID && r.TTL == o.TTL
}

// roundTime returns t as bodies show it: UTC, whole milliseconds.
func roundTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

func (s Session) normalized() Session {
	s.StartedAt, s.ExpiresAt = roundTime(s.StartedAt), roundTime(s.ExpiresAt)
	return s
}
