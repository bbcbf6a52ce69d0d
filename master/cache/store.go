// Package cache keeps the last value of each cluster for as long as it may be
// served, and somewhat longer where the next session can begin with it: in this process
// (Memory), or in Redis (rediscache) for a master that starts later. What a value is, when it was received and until when it counts is
// decided by master/session; a Store only keeps it, in order and in time.
//
// The package knows nothing of connections to agents, of HTTP or of Kubernetes.
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

// ResumeTime is for how long after its expiry a value that is still wanted is kept: as
// the base of the next session, never as an answer.
const ResumeWindow = 60 * time.Second

// ErrMiss says that a Store has nothing for a cluster.
var ErrMiss = errors.New("not in the cache")

// ErrAway says that a Store cannot be reached now. Nothing is lost by it but what
// another process could have read.
var ErrUnavailable = errors.New("the cache is away")

// Store keeps one Entry per cluster. All methods are safe for concurrent use and
// return when their context ends; none waits for long, or its caller sets a deadline.
type Store interface {
	// Load returns the cluster's Entry, an ErrMiss where there is none. It expires no later
	// than the ttl after its receipt, whatever was saved, and none of its times is ahead
	// but ExpiresAt, DemandUntil and SessionEnds. It may have expired: see
	// Entry.KeptUntil. A Load changes nothing in the Store.
	Load(ctx context.Context, cluster string, ttl time.Duration) (Entry, error)
	// Save keeps the Entry until its KeptUntil, if it has not expired. One of an older
	// version than what is kept and has not expired changes nothing; one of the same
	// version renews it.
	Save(ctx context.Context, cluster string, e Entry) error
	// Drop forgets the cluster's Entry.
	Delete(ctx context.Context, cluster string) error
	// Follow yields the cluster's Entry as Load returns it, if it is not older than after,
	// and again whenever a newer one is kept, or the same for longer. Only the latest
	// counts: it may skip some. It ends with the context, or with an error.
	Watch(ctx context.Context, cluster string, ttl time.Duration, after Version) iter.Seq2[Entry, error]
	// NextTerm is a number for a new connection, greater than all before it.
	NextTerm(ctx context.Context, cluster string) (uint64, error)
}

// Version says which of two Entries is the later: by term, then by seq. Within a
// term there is one epoch.
type Version struct {
	// Term is the master's number of the connection.
	Term uint64
	// Epoch is the agent process that Seq counts in.
	Epoch uint64
	// Seq counts the changes within the epoch.
	Seq uint64
}

// Compare is negative where v is older than o, zero where they are the same.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Term, o.Term), cmp.Compare(v.Seq, o.Seq))
}

// String is the version as clients see it: <term>.<epoch>-<seq>, opaque to them.
func (v Version) String() string { return fmt.Sprintf("%d.%x-%d", v.Term, v.Epoch, v.Seq) }

// Entry is what is known of one cluster, and until when it may be served. All
// times are of this process's clock. An Entry's State is never mutated.
type Entry struct {
	Term  uint64
	State *state.State
	// Size is what State takes in memory, as a wire.Receiver estimates it, in bytes.
	Size int64

	UID, KubernetesVersion, AgentVersion string

	// SessionID, StartedAt and SessionEnds are the session's that brought the State.
	SessionID              string
	StartedAt, SessionExpiresAt time.Time

	// ReceivedAt is when the master received it.
	ReceivedAt time.Time
	// ExpiresAt is ReceivedAt and the cluster's TTL.
	ExpiresAt time.Time
	// DemandUntil is until when somebody wants the cluster, as far as was known.
	DemandUntil time.Time
}

// KeptUntil is when a Store lets go of the Entry: when it expires, or when nobody wants
// the cluster any more, but no later than ResumeTime after its expiry.
func (e Entry) RetainUntil() time.Time {
	until := e.ExpiresAt
	if e.DemandUntil.After(until) {
		until = until.Add(min(e.DemandUntil.Sub(until), ResumeWindow))
	}
	return until
}

// Within returns the Entry with an expiry that is no later than ttl after its receipt.
func (e Entry) CapTTL(ttl time.Duration) Entry {
	if until := e.ReceivedAt.Add(ttl); until.Before(e.ExpiresAt) {
		e.ExpiresAt = until
	}
	return e
}

// Version is where the Entry stands in the order of all.
func (e Entry) Version() Version {
	return Version{Term: e.Term, Epoch: e.State.Epoch, Seq: e.State.Seq}
}

// Replaces says whether e takes the place of an Entry of version v that expires at
// the given time: it is newer, or the same and lives longer.
func (e Entry) Replaces(v Version, expiresAt time.Time) bool {
	order := e.Version().Compare(v)
	return order > 0 || order == 0 && e.ExpiresAt.After(expiresAt)
}
