package state

import "fmt"

// healthSections lists the sections that affect health.
var healthSections = []SectionName{SectionNodes, SectionPods, SectionNetwork, SectionStorage}

// sections adds findings for sections that cannot be read, since their current state is unknown. A
// cluster whose nodes or pods cannot be read is not healthy.
func (e *evaluator) sections() {
	for _, name := range healthSections {
		s := e.state.Sections[name]
		if s.Error.Reason == "" {
			continue
		}
		f := finding{
			Problem: Problem{
				Severity: SeverityWarning, Kind: "Cluster", What: WhatUnreadable, Where: name.String(), Count: 1,
				Message: fmt.Sprintf("data may be outdated: %s: %s", s.Error.Reason, s.Error.Message),
			},
			threshold: sectionThreshold,
		}
		switch {
		case s.Error.Reason == ReasonRestricted:
			f.Severity, f.Message, f.What = SeverityInfo, s.Error.Message, WhatRestricted
			e.add(f)
			continue
		case name == SectionNodes || name == SectionPods:
			f.Severity = SeverityCritical
		case s.Error.Reason == ReasonPending:
			f.Severity = SeverityInfo
		}
		if s.ObservedAt.IsZero() {
			f.Message = fmt.Sprintf("no data: %s: %s", s.Error.Reason, s.Error.Message)
		} else {
			f.Since = TimeOf(s.ObservedAt)
		}
		e.add(f)
	}
}

// sameErrors reports whether the sections that affect health have errors with the same reasons.
// Messages are not compared, as they may differ by a port number.
func sameErrors(a, b *[NumSections]Section) bool {
	for _, name := range healthSections {
		if a[name].Error.Reason != b[name].Error.Reason {
			return false
		}
	}
	return true
}
