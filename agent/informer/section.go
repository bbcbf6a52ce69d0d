package informer

import (
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"rollcall.dev/rollcall/api/state"
)

// Reasons of sections that come from watches.
const (
	// ReasonPending: the first list is not complete yet.
	ReasonPending = "Pending"
	// ReasonForbidden: the agent lacks rights; the message says which.
	ReasonForbidden = "Forbidden"
	// ReasonUnauthorized: the API server does not accept the agent's credentials.
	ReasonUnauthorized = "Unauthorized"
	// ReasonUnavailable: the API server does not serve the resource.
	ReasonUnavailable = "Unavailable"
	// ReasonDisconnected: a watch broke and cannot be established again.
	ReasonDisconnected = "Disconnected"
)

// section is a section of the facts and the watches it depends on. It belongs to the
// monitor's goroutine.
type section struct {
	name    state.SectionName
	watches []*watchHealth
	last    state.SectionStatus
}

// report returns the status of the section: live while all its watches are fresh, else
// observed when the first of them broke. Until all have been listed it was never observed.
func (s *section) report(now time.Time) state.SectionStatus {
	r := state.SectionStatus{Live: true}
	listed := true
	for _, h := range s.watches {
		h.heal(now)
		listed = listed && h.listed
		if h.fresh(now) {
			continue
		}
		r.Live = false
		if r.ObservedAt.IsZero() || h.brokeAt.Before(r.ObservedAt) {
			r.ObservedAt = h.brokeAt
		}
		if r.Error.Reason == "" || r.Error.Reason == ReasonPending {
			r.Error = h.sectionError()
		}
		if r.Error.Reason == ReasonPending {
			r.Error.Message = "waiting for the first list of " + s.resources()
		}
	}
	if !listed {
		r.ObservedAt = time.Time{}
	}
	return r
}

// resources returns the names of the section's resources. A pending section names them all,
// so that its error does not change with each first list.
func (s *section) resources() string {
	names := make([]string, len(s.watches))
	for i, h := range s.watches {
		names[i] = h.resource
	}
	return strings.Join(names, " and ")
}

// changesAt returns the time at which the report may change without an event; zero means
// never.
func (s *section) changesAt(now time.Time) time.Time {
	var at time.Time
	for _, h := range s.watches {
		if next := h.changesAt(now); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at
}

// sectionError returns why the watch is not fresh, with what to do about it.
func (h *watchHealth) sectionError() state.SectionError {
	e := state.SectionError{Reason: reasonOf(h.err)}
	switch e.Reason {
	case ReasonForbidden:
		e.Message = fmt.Sprintf("the agent may not read %s: grant its user the verbs list and watch on them in all namespaces (%v)", h.resource, h.err)
	case ReasonUnauthorized:
		e.Message = fmt.Sprintf("the API server does not accept the agent's credentials: check its service account or kubeconfig (%v)", h.err)
	case ReasonUnavailable:
		e.Message = fmt.Sprintf("the API server does not serve %s (%v)", h.resource, h.err)
	case ReasonDisconnected:
		e.Message = fmt.Sprintf("cannot watch %s: %v", h.resource, h.err)
	default:
		e = h.waitingError()
	}
	return e
}

// waitingError returns the section's error while a list or watch is awaited and none has
// failed.
func (h *watchHealth) waitingError() state.SectionError {
	if !h.listed {
		return state.SectionError{Reason: ReasonPending}
	}
	return state.SectionError{Reason: ReasonDisconnected, Message: "the watch of " + h.resource + " ended and is being established again"}
}

// reasonOf returns the reason of an error, empty for nil.
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
