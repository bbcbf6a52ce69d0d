package session

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Status is everything but the report that is known of a cluster: the source of the status and
// conditions of its ClusterAgent.
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

// StaleSection is a section of which an agent reports what is old. Its zero value is a
// section that is fresh, or that there never was anything of.
type StaleSection struct {
	// Since is until when the section was known to be true.
	Since time.Time
	// Error is why it is not any more.
	Error state.SectionError
}

// staleSection returns a section as of a report. The times of one that stays old differ
// by some milliseconds from report to report, and words by a port number, so before is
// taken over where it says the same.
func staleSection(name state.SectionName, s state.Section, received time.Time, ttl time.Duration, before StaleSection) StaleSection {
	// Usage is read at a period of its own, a part of it ("Partial") too.
	hasOwnPeriod := name == state.SectionUsage && (s.Error.Reason == "" || s.Error.Reason == "Partial")
	switch {
	case s.ObservedAt.IsZero() || hasOwnPeriod || received.Sub(s.ObservedAt) <= ttl:
		return StaleSection{}
	case s.Error.Reason == before.Error.Reason && s.ObservedAt.Sub(before.Since).Abs() < time.Second:
		return before
	}
	return StaleSection{s.ObservedAt, s.Error}
}

// equalIgnoringTimes says that nobody has to be woken by the difference: nothing but
// times of receipt.
func (s Status) equalIgnoringTimes(other Status) bool {
	s.ReceivedAt, s.ObservedAt = other.ReceivedAt, other.ObservedAt
	return s == other
}
