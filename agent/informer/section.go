package informer

import (
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"rollcall.dev/rollcall/api/state"
)

// Reasons of sections that come from watches.
const (
	// ReasonPending: the first list has not come yet.
	ReasonPending = "Pending"
	// ReasonForbidden: the agent lacks rights; the message says which.
	ReasonForbidden = "Forbidden"
	// ReasonUnauthorized: the API server does not know the agent.
	ReasonUnauthorized = "Unauthorized"
	// ReasonUnavailable: the API server does not serve the resource.
	ReasonUnavailable = "Unavailable"
	// ReasonDisconnected: a watch is broken and could not be established again.
	ReasonDisconnected = "Disconnected"
)

// section is a section of the facts with the feeds that it lives from. It belongs
// to the monitor's goroutine.
type section struct {
	name  state.SectionName
	feeds []*feed
	last  state.SectionReport
}

// report is how the section stands: live while all its feeds are fresh; else
// observed when the first of them broke; never yet, until all have been listed.
func (s *section) report(now time.Time) state.SectionReport {
	r := state.SectionReport{Live: true}
	listed := true
	for _, f := range s.feeds {
		f.heal(now)
		listed = listed && f.listed
		if f.fresh(now) {
			continue
		}
		r.Live = false
		if r.ObservedAt.IsZero() || f.brokeAt.Before(r.ObservedAt) {
			r.ObservedAt = f.brokeAt
		}
		if r.Error.Reason == "" || r.Error.Reason == ReasonPending {
			r.Error = f.trouble()
		}
	}
	if !listed {
		r.ObservedAt = time.Time{}
	}
	return r
}

// changesAt is when time alone may change the report; zero: never.
func (s *section) changesAt(now time.Time) time.Time {
	var at time.Time
	for _, f := range s.feeds {
		if next := f.changesAt(now); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at
}

// trouble is what keeps a feed from being fresh, in words for those who can act.
func (f *feed) trouble() state.SectionError {
	e := state.SectionError{Reason: reasonOf(f.err)}
	switch e.Reason {
	case ReasonForbidden:
		e.Message = fmt.Sprintf("the agent may not read %s: grant its user the verbs list and watch on them in all namespaces (%v)", f.resource, f.err)
	case ReasonUnauthorized:
		e.Message = fmt.Sprintf("the API server does not accept the agent's credentials: check its service account or kubeconfig (%v)", f.err)
	case ReasonUnavailable:
		e.Message = fmt.Sprintf("the API server does not serve %s (%v)", f.resource, f.err)
	case ReasonDisconnected:
		e.Message = fmt.Sprintf("the API server cannot be watched for %s: %v", f.resource, f.err)
	default:
		e = f.silence()
	}
	return e
}

// silence is the trouble of a feed to which nothing has happened that is an error.
func (f *feed) silence() state.SectionError {
	if !f.listed {
		return state.SectionError{Reason: ReasonPending, Message: "waiting for the first list of " + f.resource}
	}
	return state.SectionError{Reason: ReasonDisconnected, Message: "the watch of " + f.resource + " ended and is being established again"}
}

// reasonOf sorts errors; empty for none.
func reasonOf(err error) string {
	switch {
	case err == nil:
		return ""
	case apierrors.IsForbidden(err):
		return ReasonForbidden
	case apierrors.IsUnauthorized(err):
		return ReasonUnauthorized
	case apierrors.IsNotFound(err):
		return ReasonUnavailable
	}
	return ReasonDisconnected
}
