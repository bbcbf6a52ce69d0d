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
	"context"
	"errors"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/report"
)

// ResumeWindow is how long after its expiry the report of a cluster with demand is kept.
// During that time it is not served. It is only the base from which the next session resumes.
const ResumeWindow = 60 * time.Second

// ErrMiss is returned if a Store has no report of a cluster.
var ErrMiss = errors.New("not in the cache")

// ErrUnavailable is returned while a Store cannot be reached. A master continues without it; other
// processes then do not get its reports.
var ErrUnavailable = errors.New("the cache is unavailable")

// ErrSuperseded is returned for a term that is not above those that other sessions of the cluster have taken: another
// master owns the cluster now.
var ErrSuperseded = errors.New("another master owns the cluster: a higher term was taken")

// MaxTermLead is how far a term may be ahead of a master's clock. Agents grant terms up to wire.MaxTermLead ahead of
// theirs, and their clocks may be ahead of the master's by as much.
const MaxTermLead = 2 * wire.MaxTermLead

// MaxTerm returns the highest valid term at a time.
func MaxTerm(now time.Time) uint64 { return uint64(max(now.Add(MaxTermLead).UnixMilli(), 0)) }

// Store keeps the latest report of each cluster: its State and Size, identity, session, times and Version. It need not
// keep the rest, such as the Summary. All methods are safe for concurrent use and return when their context ends. The
// caller limits how long they may block by the context's deadline.
type Store interface {
	// Load returns the report of a cluster, or ErrMiss if there is none. Its ExpiresAt is at most ttl
	// after its ReceivedAt, whatever was saved. Only ExpiresAt, DemandUntil and Session.ExpiresAt can be
	// in the future. The report may have expired already; see RetainUntil. Load changes nothing in the
	// Store. The caller must not modify the report.
	Load(ctx context.Context, cluster string, ttl time.Duration) (*report.Report, error)
	// Save stores a report under its Cluster until its RetainUntil. It does nothing if the report has
	// expired, or if a newer one is stored and has not expired. A report of the stored version extends
	// the lifetime of the stored one. The error wraps ErrSuperseded if a higher term than that of the
	// report was taken or saved. The caller must not modify the report afterwards.
	Save(ctx context.Context, r *report.Report) error
	// Delete removes the report of a cluster. Its term remains.
	Delete(ctx context.Context, cluster string) error
	// LastTerm returns the highest term that was taken or saved for a cluster, 0 if none is known.
	LastTerm(ctx context.Context, cluster string) (uint64, error)
	// TakeTerm records the term of a session of the cluster's owner, before its first report. The
	// error wraps ErrSuperseded unless the term is above the LastTerm.
	TakeTerm(ctx context.Context, cluster string, term uint64) error
}

// RetainUntil returns when a Store removes a report: at the end of the demand, but neither before ExpiresAt nor later than
// ResumeWindow after it.
func RetainUntil(r *report.Report) time.Time {
	until := r.ExpiresAt
	if r.DemandUntil.After(until) {
		until = until.Add(min(r.DemandUntil.Sub(until), ResumeWindow))
	}
	return until
}

// CapTTL returns the report with ExpiresAt at most ttl after ReceivedAt.
func CapTTL(r *report.Report, ttl time.Duration) *report.Report {
	if until := r.ReceivedAt.Add(ttl); until.Before(r.ExpiresAt) {
		capped := *r
		capped.ExpiresAt, capped.TTL = until, ttl
		return &capped
	}
	return r
}

// Replaces reports whether a Store replaces a report of version v that expires at expiresAt by r: r is newer, or it has
// the same version and expires later.
func Replaces(r *report.Report, v report.Version, expiresAt time.Time) bool {
	order := r.Version().Compare(v)
	return order > 0 || order == 0 && r.ExpiresAt.After(expiresAt)
}
