package session

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

// Report is a report of a cluster.
type Report = report.Report

// Info describes a session.
type Info = report.Session

// setState sets the State of a new report and everything derived from it. It reuses the Summary of the report before
// it, which may be nil, if the objects are the same, since a Summary walks over all of them. The error is a
// *report.StateError.
func setState(r, prev *Report, l *wire.LazyState, ignore []state.Ignore, now time.Time) error {
	r.LazyState, r.Ignore, r.ObservedAt = l, ignore, observedAt(l.Sections)
	if prev != nil && prev.HasState() && l.ObjectsID() == prev.ObjectsID() && slices.Equal(prev.Ignore, ignore) {
		if sum, ok := state.Resummarize(prev.Summary, &prev.Sections, &l.Sections, l.Usage, l.NodeSlots, now); ok {
			r.Summary = sum
			return nil
		}
	}
	s, err := r.State()
	if err != nil {
		return err
	}
	r.Summary = state.Summarize(s, now, ignore...)
	return nil
}

// observedAt returns the last time at which a summary is known to have been true.
func observedAt(sections [state.NumSections]state.Section) time.Time {
	nodes, pods := sections[state.SectionNodes].ObservedAt, sections[state.SectionPods].ObservedAt
	if pods.Before(nodes) {
		return pods
	}
	return nodes
}
