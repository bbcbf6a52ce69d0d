package session

import (
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Observation is what there is to tell of a cluster, apart from its Value: what
// status and conditions are made of.
type Status struct {
	Cluster string
	// Generation is the one that the rest speaks of.
	Generation int64

	// Ready is whether the cluster can be asked, as the last attempt found; Unknown
	// before the first.
	Ready  state.Tristate
	Reason Reason
	// Message says in words what was wrong, and what to do; empty where nothing was.
	Message string
	// Binding is what signatures held for when the agent answered last.
	Binding Binding

	// Session is the session that runs, or what is left of the last one; its Phase is
	// always the present one.
	Session Info
	// LastEndReason is why the session before ended; empty: none did.
	LastEndReason string

	// UID, AgentVersion and KubernetesVersion are of the agent that answered last.
	UID, AgentVersion, KubernetesVersion string

	// Known is the last summary, of a session or of an idle refresh.
	LastKnown
	// ReceivedAt is when that came.
	ReceivedAt time.Time
	// Stale are the sections that were older than the TTL when that came, though it came:
	// the agent answers, and cannot read its cluster.
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
	readSeldom := name == state.SectionUsage && (s.Error.Reason == "" || s.Error.Reason == "Partial")
	switch {
	case s.ObservedAt.IsZero() || readSeldom || received.Sub(s.ObservedAt) <= ttl:
		return StaleSection{}
	case s.Error.Reason == before.Error.Reason && s.ObservedAt.Sub(before.Since).Abs() < time.Second:
		return before
	}
	return StaleSection{s.ObservedAt, s.Error}
}

// tellsTheSame says that nobody has to be woken by the difference: nothing but
// times of receipt.
func (o Status) tellsTheSame(p Status) bool {
	o.ReceivedAt, o.ObservedAt = p.ReceivedAt, p.ObservedAt
	return o == p
}
