package session

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Status has everything that is known of a cluster except its report. It is the source of the status and
// conditions of the ClusterAgent.
type Status struct {
	Cluster string
	// Generation is the generation of the ClusterAgent that the other fields are about.
	Generation int64

	// Ready is True if the last attempt to reach the agent succeeded, and Unknown before the first one.
	Ready  state.Tristate
	Reason Reason
	// Message says what is wrong and what to do, or "" if nothing is wrong.
	Message string
	// Binding is the channel binding of the last handshake.
	Binding Binding

	// Session is the present session, or the last one. Its Phase is the present phase.
	Session Info
	// LastEndReason is the reason for the end of the previous session, or "" if there was none.
	LastEndReason string

	// UID, AgentVersion and KubernetesVersion come from the last handshake.
	UID, AgentVersion, KubernetesVersion string

	// LastKnown is the last summary, of a session or of an idle refresh.
	LastKnown
	// ReceivedAt is when that summary was received.
	ReceivedAt time.Time
	// Stale has the sections that were already older than the TTL in that summary: the agent responds
	// but cannot read its cluster.
	Stale [state.NumSections]StaleSection
}

// StaleSection describes a section that was older than the TTL when its report was received. The zero value
// means that the section is fresh, or was never read.
type StaleSection struct {
	// Since is the last time at which the section is known to have been true.
	Since time.Time
	// Error is why the agent cannot read the section.
	Error state.SectionError
}

// staleSection returns the StaleSection of a section in a report. From report to report the age of a stale
// section differs by some milliseconds, and its message by a port number. To keep Status equal, staleSection
// returns before if the reason is the same and the time about the same.
func staleSection(name state.SectionName, s state.Section, received time.Time, ttl time.Duration, before StaleSection) StaleSection {
	// Usage has a period of its own, also if it is incomplete (Partial).
	hasOwnPeriod := name == state.SectionUsage && (s.Error.Reason == "" || s.Error.Reason == "Partial")
	switch {
	case s.ObservedAt.IsZero() || hasOwnPeriod || received.Sub(s.ObservedAt) <= ttl:
		return StaleSection{}
	case s.Error.Reason == before.Error.Reason && s.ObservedAt.Sub(before.Since).Abs() < time.Second:
		return before
	}
	return StaleSection{s.ObservedAt, s.Error}
}

// equalIgnoringTimes reports whether two Status values differ at most in their times of receipt and
// observation.
func (s Status) equalIgnoringTimes(other Status) bool {
	s.ReceivedAt, s.ObservedAt = other.ReceivedAt, other.ObservedAt
	return s == other
}
