package session

import (
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// Report is the content of a cluster's report. It is immutable.
type Report struct {
	Cluster, UID, KubernetesVersion, AgentVersion string
	// Term is the number of the session that delivered it; see cache.Version.
	Term uint64
	// State may be nil in the result of LastReport, if the report expired and was dropped. Await never
	// returns such a report.
	State   *state.State
	Summary state.Summary
	// ObservedAt is the last time at which the Summary is known to have been true: the older of the times of
	// its nodes and pods.
	ObservedAt time.Time
	// ReceivedAt is when the report was received, by the master's clock.
	ReceivedAt time.Time
	// ExpiresAt is ReceivedAt plus TTL.
	ExpiresAt time.Time
	TTL       time.Duration
	// Session is the session that delivered it, as it was then.
	Session Info

	epoch, seq uint64
	// size is the estimated memory of the State in bytes; see wire.Receiver.
	size int64
	// ignore has the rules by which the Summary mutes problems.
	ignore []state.Ignore
	// stored reports whether it was loaded from the Store.
	stored bool
}

// Info describes a session.
type Info struct {
	// ID identifies the session in the logs of master and agent. It is "" if there was no session yet.
	ID    string
	Phase Phase
	// Holder is the ID of the master process that owns the session.
	Holder string
	// StartedAt is when the agent granted the session, ExpiresAt when it ends unless it is renewed.
	StartedAt, ExpiresAt time.Time
}

// Fresh reports whether the report may be served at a time.
func (r *Report) Fresh(now time.Time) bool { return r.State != nil && now.Before(r.ExpiresAt) }

// ResourceVersion returns <term>.<epoch>-<seq>. It changes with objects, usage and section errors,
// and is opaque to clients.
func (r *Report) ResourceVersion() string { return r.version().String() }

func (r *Report) version() cache.Version {
	if r.State != nil {
		return cache.Version{Term: r.Term, Epoch: r.State.Epoch, Seq: r.State.Seq}
	}
	return cache.Version{Term: r.Term, Epoch: r.epoch, Seq: r.seq}
}

// setState sets a State and everything derived from it. It reuses prev's Summary if the objects are
// equal, since a Summary walks over all of them.
func (r *Report) setState(s *state.State, prev *Report, ignore []state.Ignore, now time.Time) {
	r.State, r.epoch, r.seq, r.ignore = s, s.Epoch, s.Seq, ignore
	r.ObservedAt = observedAt(s.Sections)
	if prev != nil && prev.State != nil && slices.Equal(prev.ignore, ignore) {
		r.Summary = state.Resummarize(prev.Summary, prev.State, s, now, ignore...)
		return
	}
	r.Summary = state.Summarize(s, now, ignore...)
}

// withoutState returns a copy of the report without its State.
func (r *Report) withoutState() *Report {
	c := *r
	c.State, c.size = nil, 0
	return &c
}

// observedAt returns the last time at which a summary is known to have been true.
func observedAt(sections [state.NumSections]state.Section) time.Time {
	nodes, pods := sections[state.SectionNodes].ObservedAt, sections[state.SectionPods].ObservedAt
	if pods.Before(nodes) {
		return pods
	}
	return nodes
}
