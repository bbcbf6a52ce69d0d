// Package report has the report of a cluster, as package session publishes it and all APIs of the master show it.
package report

import (
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// Report is one report of a cluster. It is immutable, and all readers share it: two readers have the same report if
// they have the same pointer.
type Report struct {
	// Cluster is the name of the cluster's ClusterAgent, also if a client asked by address.
	Cluster, UID, KubernetesVersion, AgentVersion string
	// Term orders the sessions of a cluster, and is part of the Version: each session has a higher one than those before,
	// and so has a report that was loaded from the Store. See cache.Store.NextTerm.
	Term uint64
	// State is nil if it was dropped: when the report expired, or when memory was needed. Readers that wait for a
	// fresh report never get such a report.
	State   *state.State
	Summary state.Summary
	// ObservedAt is the last time at which the Summary is known to have been true: the older of the times of
	// its nodes and pods.
	ObservedAt time.Time
	// ReceivedAt is when the complete report was received, by the master's clock.
	ReceivedAt time.Time
	// ExpiresAt is ReceivedAt plus TTL.
	ExpiresAt time.Time
	TTL       time.Duration
	// Session is the session that delivered it, as it was then.
	Session Session

	// Size is the estimated memory of the State in bytes; see wire.Receiver.
	Size int64
	// Ignore has the rules by which the Summary mutes problems.
	Ignore []state.Ignore
	// Stored reports whether it was loaded from the Store.
	Stored bool

	// epoch and seq are those of the State after it was dropped.
	epoch, seq uint64
}

// Session describes a session.
type Session struct {
	// ID identifies the session in the logs of master and agent. It is "" if there was no session yet.
	ID    string
	Phase Phase
	// Holder is the ID of the master process that owns the session.
	Holder string
	// StartedAt is when the agent granted the session, ExpiresAt when it ends unless it is renewed.
	StartedAt, ExpiresAt time.Time
}

// Phase is the phase of a session. Package session has the values.
type Phase string

// Fresh reports whether the report may be served at a time.
func (r *Report) Fresh(now time.Time) bool { return r.State != nil && now.Before(r.ExpiresAt) }

// Stale reports whether a section is out of date although reports arrive: it was observed more than
// the TTL before the report was received. Usage has its own period, which may be longer than the
// TTL, so it is stale only if reading it fails. Usage that is only partly readable (reason
// Partial) is fresh. A section that never had data is not stale; its error describes it. The State
// must not be nil.
func (r *Report) Stale() bool {
	for name, s := range r.State.Sections {
		if StaleSection(state.SectionName(name), s, r.ReceivedAt, r.TTL) {
			return true
		}
	}
	return false
}

// StaleSection reports whether a section is out of date in a report that was received at a time, as Report.Stale says.
func StaleSection(name state.SectionName, s state.Section, receivedAt time.Time, ttl time.Duration) bool {
	hasOwnPeriod := name == state.SectionUsage && (s.Error.Reason == "" || s.Error.Reason == state.ReasonPartial)
	return !s.ObservedAt.IsZero() && !hasOwnPeriod && receivedAt.Sub(s.ObservedAt) > ttl
}

// ResourceVersion returns <term>.<epoch>-<seq>. It changes with objects, usage and section errors,
// and is opaque to clients.
func (r *Report) ResourceVersion() string { return r.Version().String() }

// Version returns the version by which a Store orders reports.
func (r *Report) Version() cache.Version {
	if r.State != nil {
		return cache.Version{Term: r.Term, Epoch: r.State.Epoch, Seq: r.State.Seq}
	}
	return cache.Version{Term: r.Term, Epoch: r.epoch, Seq: r.seq}
}

// WithoutState returns a copy of the report without its State.
func (r *Report) WithoutState() *Report {
	version, c := r.Version(), *r
	c.State, c.Size, c.epoch, c.seq = nil, 0, version.Epoch, version.Seq
	return &c
}
