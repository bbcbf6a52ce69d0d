// Package cache stores the latest report of each cluster: in this process (Memory) or in
// Redis (package rediscache), from which a master that starts later can load it.
//
// A report is kept while it may be served. While the cluster has demand it is kept for
// another ResumeWindow, in which the next session can resume from it instead of
// transferring everything again. Package master/session decides what a report contains and
// how long it is valid; a Store only keeps the reports, in the order of their versions.
//
// The package does not depend on connections to agents, HTTP or Kubernetes.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// ResumeWindow is how long after its expiry the Entry of a cluster with demand is kept.
// During that time it is not served. It is only the base from which the next session resumes.
const ResumeWindow = 60 * time.Second

// ErrMiss is returned if a Store has no Entry of a cluster.
var ErrMiss = errors.New("not in the cache")

// ErrUnavailable is returned while a Store cannot be reached. A master continues without it; other
// processes then do not get its reports.
var ErrUnavailable = errors.New("the cache is unavailable")

// Store keeps one Entry per cluster. All methods are safe for concurrent use and return when
// their context ends. The caller limits how long they may block by the context's deadline.
type Store interface {
	// Load returns the Entry of a cluster, or ErrMiss if there is none. Its ExpiresAt is at
	// most ttl after its ReceivedAt, whatever was saved. Only ExpiresAt, DemandUntil and
	// SessionExpiresAt can be in the future. The Entry may have expired already; see
	// Entry.RetainUntil. Load changes nothing in the Store.
	Load(ctx context.Context, cluster string, ttl time.Duration) (Entry, error)
	// Save stores an Entry until its RetainUntil. It does nothing if the Entry has expired, or
	// if a newer one is stored and has not expired. An Entry of the stored version extends the
	// lifetime of the stored one.
	Save(ctx context.Context, cluster string, e Entry) error
	// Delete removes the Entry of a cluster.
	Delete(ctx context.Context, cluster string) error
	// Watch yields the Entry of a cluster, as Load returns it, unless it is older than the
	// version after. It yields again when a newer version is stored, or when the lifetime of
	// the same version is extended. It may skip versions, but not the latest. It ends with the
	// context, or after it yielded an error.
	Watch(ctx context.Context, cluster string, ttl time.Duration, after Version) iter.Seq2[Entry, error]
	// NextTerm returns a new term, for a session or a loaded Entry. It is greater than all terms that
	// were returned before for the cluster.
	NextTerm(ctx context.Context, cluster string) (uint64, error)
}

// Version orders the Entries of a cluster: by Term, then by Seq. All Entries of a term have
// the same Epoch.
type Version struct {
	// Term orders the sessions of the cluster; see Store.NextTerm.
	Term uint64
	// Epoch identifies the agent process in which Seq counts.
	Epoch uint64
	// Seq counts the changes within the epoch.
	Seq uint64
}

// Compare returns a negative number if v is older than o, 0 if both are the same version, and
// a positive number if v is newer.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Term, o.Term), cmp.Compare(v.Seq, o.Seq))
}

// String returns the version in the form that clients receive, <term>.<epoch>-<seq>. It is
// opaque to clients.
func (v Version) String() string { return fmt.Sprintf("%d.%x-%d", v.Term, v.Epoch, v.Seq) }

// Entry is the stored report of one cluster. All times are by the clock of this process. The
// State of an Entry is never modified.
type Entry struct {
	Term  uint64
	State *state.State
	// Size is the memory that State takes in bytes, as estimated by wire.Receiver.
	Size int64

	UID, KubernetesVersion, AgentVersion string

	// SessionID, StartedAt and SessionExpiresAt describe the session that received the State.
	SessionID                   string
	StartedAt, SessionExpiresAt time.Time

	// ReceivedAt is when the master received the report.
	ReceivedAt time.Time
	// ExpiresAt is ReceivedAt plus the cluster's TTL.
	ExpiresAt time.Time
	// DemandUntil is the end of the cluster's demand, as known when the Entry was saved.
	DemandUntil time.Time
}

// RetainUntil returns when a Store removes the Entry: at the end of the demand, but neither
// before ExpiresAt nor later than ResumeWindow after it.
func (e Entry) RetainUntil() time.Time {
	until := e.ExpiresAt
	if e.DemandUntil.After(until) {
		until = until.Add(min(e.DemandUntil.Sub(until), ResumeWindow))
	}
	return until
}

// CapTTL returns the Entry with ExpiresAt at most ttl after ReceivedAt.
func (e Entry) CapTTL(ttl time.Duration) Entry {
	if until := e.ReceivedAt.Add(ttl); until.Before(e.ExpiresAt) {
		e.ExpiresAt = until
	}
	return e
}

// Version returns the version of the Entry.
func (e Entry) Version() Version {
	return Version{Term: e.Term, Epoch: e.State.Epoch, Seq: e.State.Seq}
}

// Replaces reports whether a Store replaces an Entry of version v that expires at expiresAt
// by e: e is newer, or it has the same version and expires later.
func (e Entry) Replaces(v Version, expiresAt time.Time) bool {
	order := e.Version().Compare(v)
	return order > 0 || order == 0 && e.ExpiresAt.After(expiresAt)
}
