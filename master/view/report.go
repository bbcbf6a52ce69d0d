package view

import (
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
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
	Session httpv1.Session
	State   *state.State
	Summary state.Summary
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

// normalizedSession returns a session with times as bodies show them.
func normalizedSession(s httpv1.Session) httpv1.Session {
	s.StartedAt, s.ExpiresAt = roundTime(s.StartedAt), roundTime(s.ExpiresAt)
	return s
}
