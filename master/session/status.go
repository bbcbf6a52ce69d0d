package session

import (
	"reflect"
	"strings"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session/dial"
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
	Binding dial.Binding

	// Session is the current session, or the last one. Its Phase is the current phase.
	Session Info
	// Link is the connection of an agent that dials this master.
	Link LinkStatus
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
	switch {
	case !report.StaleSection(name, s, received, ttl):
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

// setSpec sets the parts of the status that follow from the Registry's entry alone. failure says why spec
// cannot be dialed, or is nil. before is the entry before it, and blockedBefore why it must not have a session.
func (s *Status) setSpec(spec Cluster, failure *dial.Failure, before Cluster, blockedBefore string) {
	if s.Session.Phase == Backoff && spec.Generation != s.Generation {
		s.Session.Phase = Idle // the change may have fixed the failure, so requests must not fail with it
	}
	s.Generation = spec.Generation
	switch {
	case spec.Suspended:
		s.Ready, s.Reason, s.Message = state.False, Suspended, ""
	case failure != nil:
		s.setFailed(failure)
	case blockedBefore != "" || !before.sameEndpoint(spec) || spec.ExpectedUID != before.ExpectedUID && s.Ready == state.False:
		s.Ready, s.Reason, s.Message, s.Binding = state.Unknown, AwaitingFirstContact, "", dial.BindingUnknown
	}
}

// setFailed records a failed attempt or session.
func (s *Status) setFailed(f *dial.Failure) {
	s.Ready, s.Reason, s.Message = state.False, f.Reason, f.Error()
	if f.Reason == dial.NotLinked {
		s.Link = LinkStatus{}
	}
}

// setSucceeded records an agent that has answered, with its identity, and differences of the clocks and of the
// versions.
func (s *Status) setSucceeded(a dial.Agent, masterVersion string) {
	s.Ready, s.Reason, s.Message = state.True, Succeeded, version.DescribeSkew(masterVersion, a.Identity.AgentVersion)
	if a.Skew.Detected {
		s.Reason = ClockSkew
		clocks := a.Skew.String() + ": correct the clocks; until then each dial needs a second connection"
		s.Message = strings.TrimSuffix(clocks+". In addition, "+s.Message, ". In addition, ")
	}
	s.UID, s.AgentVersion, s.KubernetesVersion = a.Identity.ClusterUID, a.Identity.AgentVersion, a.Identity.KubernetesVersion
	s.Binding = dial.BindingOf(a.Hello)
}

// lastIdentity returns the identity of the agent that answered last, with the given cluster name.
func (s *Status) lastIdentity(name string) *wire.Identity {
	return &wire.Identity{AgentVersion: s.AgentVersion, ClusterName: name, ClusterUID: s.UID, KubernetesVersion: s.KubernetesVersion}
}

// setReport records the summary of a report, and what it says of the agent.
func (s *Status) setReport(r *Report) {
	s.setSummary(&r.Summary, r.ObservedAt, r.ReceivedAt)
	s.setStale(r.Sections, r.ReceivedAt, r.TTL)
	s.UID, s.AgentVersion, s.KubernetesVersion = r.UID, r.AgentVersion, r.KubernetesVersion
}

// setStale records which sections were older than the TTL when a report was received.
func (s *Status) setStale(sections [state.NumSections]state.Section, received time.Time, ttl time.Duration) {
	for i, section := range sections {
		s.Stale[i] = staleSection(state.SectionName(i), section, received, ttl, s.Stale[i])
	}
}

// setSummary records a summary. It keeps the pointer of an equal one, so that Status values compare equal.
func (s *Status) setSummary(summary *state.Summary, observed, received time.Time) {
	if s.Summary == nil || s.Summary != summary && !reflect.DeepEqual(s.Summary, summary) {
		s.Summary = summary
	}
	s.ObservedAt, s.ReceivedAt = observed, received
}
