package controllers

import (
	"fmt"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
)

// describeStale returns which sections are stale, since when and why, such as "nodes and pods
// since 2026-11-22T10:00:00Z (Disconnected: …)"; empty if none is. Sections with the same reason
// are listed together with the oldest time, as they usually have one cause.
func describeStale(sections [state.NumSections]session.StaleSection) string {
	type group struct {
		names  []string
		oldest session.StaleSection
	}
	var groups []*group
	byReason := map[string]*group{}
	for i, s := range sections {
		if s.Since.IsZero() {
			continue
		}
		g := byReason[s.Error.Reason]
		if g == nil {
			g = &group{oldest: s}
			byReason[s.Error.Reason] = g
			groups = append(groups, g)
		}
		g.names = append(g.names, state.SectionName(i).String())
		if s.Since.Before(g.oldest.Since) {
			g.oldest = s
		}
	}
	var descriptions []string
	for _, g := range groups {
		text := fmt.Sprintf("%s since %s", joinNames(g.names), g.oldest.Since.UTC().Format(time.RFC3339))
		if e := g.oldest.Error; e.Reason != "" {
			text += fmt.Sprintf(" (%s: %s)", e.Reason, e.Message)
		}
		descriptions = append(descriptions, text)
	}
	return strings.Join(descriptions, "; ")
}

// joinNames joins names as "a", "a and b" or "a, b and c".
func joinNames(names []string) string {
	if last := len(names) - 1; last > 0 {
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return strings.Join(names, "")
}

// summaryIsStale reports whether a section that the summary depends on is stale.
func summaryIsStale(sections [state.NumSections]session.StaleSection) bool {
	return !sections[state.SectionNodes].Since.IsZero() || !sections[state.SectionPods].Since.IsZero()
}
