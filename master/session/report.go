package session

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/report"
)

// Report is a report of a cluster.
type Report = report.Report

// Info describes a session.
type Info = report.Session

// setState sets the State of a new report and everything derived from it. It reuses the Summary of the report before
// it, which may be nil, if the objects are equal, since a Summary walks over all of them.
func setState(r, prev *Report, s *state.State, ignore []state.Ignore, now time.Time) {
	r.State, r.Ignore, r.ObservedAt = s, ignore, observedAt(s.Sections)
	if prev != nil && prev.State != nil && slices.Equal(prev.Ignore, ignore) {
		r.Summary = state.Resummarize(prev.Summary, prev.State, s, now, ignore...)
		return
	}
	r.Summary = state.Summarize(s, now, ignore...)
}

// observedAt returns the last time at which a summary is known to have been true.
func observedAt(sections [state.NumSections]state.Section) time.Time {
	nodes, pods := sections[state.SectionNodes].ObservedAt, sections[state.SectionPods].ObservedAt
	if pods.Before(nodes) {
		return pods
	}
	return nodes
}
