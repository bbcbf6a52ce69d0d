// Package report has the report of a cluster, as package session publishes it, package cache stores it, and all APIs of
// the master show it.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// Report is one report of a cluster. It is immutable, and all readers share it: two readers have the same report if
// they have the same pointer.
type Report struct {
	// Cluster is the name of the cluster's ClusterAgent, also if a client asked by address.
	Cluster, UID, KubernetesVersion, AgentVersion string
	// Term orders the sessions of a cluster, and is part of the Version: each session of an owner has a higher one than
	// those before. A report that was loaded from the Store keeps its term. See package wire, "Owner, guest, term".
	Term uint64
	// LazyState is the state of the cluster, whose objects State returns. It is nil if it was dropped: when the report
	// expired, or when memory was needed. Readers that wait for a fresh report never get such a report.
	*wire.LazyState
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
	// DemandUntil is the end of the cluster's demand, as known when the report was published. It may be in the past.
	DemandUntil time.Time

	// Size is the estimated memory of the State in bytes; see wire.Receiver.
	Size int64
	// Ignore has the rules by which the Summary mutes problems.
	Ignore []state.Ignore
	// Stored reports whether it was loaded from the Store.
	Stored bool

	// dropped is the Version after the State was dropped.
	dropped Version
}

// Version orders the reports of a cluster: by Term, then by Seq. All reports of a term have the same Epoch.
type Version struct {
	// Term orders the sessions of the cluster; see Report.Term.
	Term uint64
	// Epoch identifies the agent process in which Seq counts.
	Epoch uint64
	// Seq counts the changes within the epoch.
	Seq uint64
}

// Compare returns a negative number if v is older than o, 0 if both are the same version, and a positive number if v is
// newer.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Term, o.Term), cmp.Compare(v.Seq, o.Seq))
}

// String returns the version in the form that clients receive, <term>.<epoch>-<seq>. It is opaque to clients.
func (v Version) String() string { return fmt.Sprintf("%d.%x-%d", v.Term, v.Epoch, v.Seq) }

var versionPattern = regexp.MustCompile(`^([0-9]{1,20})\.([0-9a-f]{1,16})-([0-9]{1,20})$`)

// ParseVersion parses the form that String returns.
func ParseVersion(text string) (v Version, err error) {
	parts := versionPattern.FindStringSubmatch(text)
	if parts == nil {
		return v, errors.New("must be a resourceVersion from a response or an event of this cluster")
	}
	for i, part := range []struct {
		into *uint64
		base int
	}{{&v.Term, 10}, {&v.Epoch, 16}, {&v.Seq, 10}} {
		if *part.into, err = strconv.ParseUint(parts[i+1], part.base, 64); err != nil {
			return v, errors.New("has a number that is too large")
		}
	}
	return v, nil
}

// Session describes a session.
type Session struct {
	// ID identifies the session in the logs of master and agent. It is "" if there was no session yet.
	ID    string
	Phase httpv1.Phase
	// Holder is the ID of the master process that owns the session.
	Holder string
	// StartedAt is when the agent granted the session, ExpiresAt when it ends unless it is renewed.
	StartedAt, ExpiresAt time.Time
}

// Fresh reports whether the report may be served at a time.
func (r *Report) Fresh(now time.Time) bool { return r.HasState() && now.Before(r.ExpiresAt) }

// HasState reports whether the State was not dropped.
func (r *Report) HasState() bool { return r.LazyState != nil }

// State returns the state of the cluster. It decodes the objects if nobody has read them for a while. The error is a
// *StateError.
func (r *Report) State() (*state.State, error) {
	if !r.HasState() {
		return nil, &StateError{Cluster: r.Cluster, Err: errDropped}
	}
	s, err := r.LazyState.State()
	if err != nil {
		return nil, &StateError{Cluster: r.Cluster, Err: err}
	}
	return s, nil
}

var errDropped = errors.New("the report has expired, and its objects were dropped")

// StateError is the error of a report whose State cannot be read. It passes: the next report of a session that sees that
// error starts with a complete snapshot.
type StateError struct {
	Cluster string
	Err     error
}

func (e *StateError) Error() string {
	return fmt.Sprintf("read the state of cluster %s: %v; the master requests all of it from the agent again, so try again in some seconds", e.Cluster, e.Err)
}

func (e *StateError) Unwrap() error { return e.Err }

// Stale reports whether a section is out of date although reports arrive: it was observed more than
// the TTL before the report was received. Usage has its own period, which may be longer than the
// TTL, so it is stale only if reading it fails. Usage that is only partly readable (reason
// Partial) is fresh. A section that never had data is not stale; its error describes it. The State
// must not be nil.
func (r *Report) Stale() bool {
	for name, s := range r.Sections {
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
func (r *Report) Version() Version {
	if r.HasState() {
		return Version{Term: r.Term, Epoch: r.Epoch, Seq: r.Seq}
	}
	return r.dropped
}

// WithoutState returns a copy of the report without its State.
func (r *Report) WithoutState() *Report {
	c := *r
	c.LazyState, c.Size, c.dropped = nil, 0, r.Version()
	return &c
}
