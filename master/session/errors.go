package session

import (
	"errors"
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

var (
	// ErrNotFound is the error for a cluster that the Registry does not have.
	ErrNotFound = errors.New("no such cluster")
	// ErrRegistryUnavailable is the error if the Registry cannot be read. Whether the cluster exists is not known.
	ErrRegistryUnavailable = errors.New("the registered clusters cannot be read")
	// ErrSuspended is the error for a cluster that is suspended.
	ErrSuspended = errors.New("the cluster is suspended")
	// ErrStopping is the error of requests while the master shuts down.
	ErrStopping = errors.New("the master is shutting down")
	// ErrNoReport is the error of a request whose context ended before a report was received.
	ErrNoReport = errors.New("no report was received in time")
)

// LastKnown has the last summary of a cluster. It is kept while the cluster cannot be reached.
type LastKnown struct {
	// Summary is nil if there was none yet.
	Summary *state.Summary
	// ObservedAt is the last time at which the summary is known to have been true.
	ObservedAt time.Time
}

// StoredStatus is what a master has stored about a cluster, for other masters.
type StoredStatus struct {
	LastKnown
	KubernetesVersion string
}

// UnreachableError is the error of requests for a cluster whose last attempt failed and whose next attempt is
// not due yet.
type UnreachableError struct {
	Reason Reason
	// Err is the cause, with what to do about it.
	Err error
	// RetryAfter is the time until the next attempt. 0 means that the cluster's entry has to be changed
	// first.
	RetryAfter time.Duration
	LastKnown
}

func (e *UnreachableError) Error() string { return e.Err.Error() }
func (e *UnreachableError) Unwrap() error { return e.Err }

// NoReportError wraps ErrNoReport and the error of the context that ended the wait.
type NoReportError struct {
	// Phase is the phase of the session when the wait ended.
	Phase Phase
	Err   error
	LastKnown
}

func (e *NoReportError) Error() string {
	return fmt.Sprintf("%v: the session is %s", ErrNoReport, e.Phase)
}
func (e *NoReportError) Unwrap() []error { return []error{ErrNoReport, e.Err} }
