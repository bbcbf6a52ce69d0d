package view

import (
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/report"
)

// Report is a report of a cluster, with what all encodings of it need.
type Report struct {
	*report.Report
	// ResourceVersion is the text of its version.
	ResourceVersion string
}

// NewReport returns r with its ResourceVersion.
func NewReport(r *report.Report) Report {
	return Report{Report: r, ResourceVersion: r.ResourceVersion()}
}

// SessionOf returns a session as clients see it.
func SessionOf(s report.Session) httpv1.Session {
	return httpv1.Session{ID: s.ID, Phase: s.Phase, StartedAt: s.StartedAt, ExpiresAt: s.ExpiresAt}
}

// OldestSection returns the time at which all objects of the report were known to be true: the oldest
// time of the sections that have data. Usage does not count, because each usage sample has its own
// time. The result is zero if no section has data.
func (r *Report) OldestSection() time.Time {
	var oldest time.Time
	for name, s := range r.Sections {
		if state.SectionName(name) == state.SectionUsage || s.ObservedAt.IsZero() {
			continue
		}
		if oldest.IsZero() || s.ObservedAt.Before(oldest) {
			oldest = s.ObservedAt
		}
	}
	return oldest
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
