package session

import (
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

var (
	// ErrUnknown says that the Registry has no such cluster.
	ErrNotFound = errors.New("no such cluster")
	// ErrSuspended says that the cluster must not be called for now.
	ErrSuspended = errors.New("the cluster is suspended")
	// ErrStopping says that the master's process is ending.
	ErrStopping = errors.New("the master is shutting down")
	// ErrNoReport says that no report came while the caller waited.
	ErrNoReport = errors.New("no report came in time")
)

// LastKnown is the last summary of a cluster, also while the cluster cannot be reached.
type LastKnown struct {
	// Summary is nil if there was none yet.
	Summary *state.Summary
	// ObservedAt is the last time at which the summary is known to have been true.
	ObservedAt time.Time
}

// UnreachableError says that the last attempt to reach a cluster failed, and that
// the next one is not due yet.
type UnreachableError struct {
	Reason Reason
	// Err is what went wrong, in words to act on.
	Err error
	// RetryAfter is how long until the master tries again by itself; zero: not before
	// the cluster's entry is changed.
	RetryAfter time.Duration
	LastKnown
}

func (e *UnreachableError) Error() string { return e.Err.Error() }
func (e *UnreachableError) Unwrap() error { return e.Err }

// NoReportError is ErrNoReport with what is known. It wraps the error of the
// context that ended the wait.
type NoReportError struct {
	// Phase is what the master was doing when the wait ended.
	Phase Phase
	Err   error
	LastKnown
}

func (e *NoReportError) Error() string {
	return fmt.Sprintf("%v: the session is %s", ErrNoReport, e.Phase)
}
func (e *NoReportError) Unwrap() []error { return []error{ErrNoReport, e.Err} }

// failure is why an attempt or a session failed: for programs and in words.
type failure struct {
	reason Reason
	err    error
}

func failed(reason Reason, format string, args ...any) *failure {
	return &failure{reason: reason, err: fmt.Errorf(format, args...)}
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }
