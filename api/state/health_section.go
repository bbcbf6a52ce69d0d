package state

import "fmt"

// judgedSections are the sections that health is judged by.
var judgedSections = []SectionName{SectionNodes, SectionPods, SectionNetwork, SectionStorage}

// reasonPending is the reason of a section of which the first list has not come yet.
const reasonPending = "Pending"

// sections adds the parts of a cluster that cannot be read: what is wrong there since
// is not known. Nobody can call a cluster healthy without its nodes and pods.
func (e *evaluator) sections() {
	for _, name := range judgedSections {
		s := e.state.Sections[name]
		if s.Error.Reason == "" {
			continue
		}
		f := finding{
			Problem: Problem{
				Severity: SeverityWarning, Kind: "Cluster", What: WhatUnreadable, Where: name.String(), Count: 1,
				Message: fmt.Sprintf("what is known of it may be old: %s: %s", s.Error.Reason, s.Error.Message),
			},
			patience: sectionPatience,
		}
		switch {
		case name == SectionNodes || name == SectionPods:
			f.Severity = SeverityCritical
		case s.Error.Reason == reasonPending:
			f.Severity = SeverityInfo
		}
		if s.ObservedAt.IsZero() {
			f.Message = fmt.Sprintf("nothing is known of it: %s: %s", s.Error.Reason, s.Error.Message)
		} else {
			f.Since = TimeOf(s.ObservedAt)
		}
		e.add(f)
	}
}

// sameErrors reports whether the same keeps the sections that health is judged by from
// being fresh. Words that differ by a port number are the same.
func (s *State) sameErrors(o *State) bool {
	for _, name := range judgedSections {
		if s.Sections[name].Error.Reason != o.Sections[name].Error.Reason {
			return false
		}
	}
	return true
}
