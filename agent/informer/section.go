package informer

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"rollcall.dev/rollcall/api/state"
)

// section is a section of the facts with the watches on which it depends. Only the monitor's goroutine
// uses it.
type section struct {
	name    state.SectionName
	watches []*watchHealth
	// limits has a message for each resource of which not everything is read.
	limits []string
	last   state.SectionStatus
}

// status returns the status of the section. It is live if all watches are fresh. Else ObservedAt is the
// time when the first of them broke, or the zero time if they have not all been listed yet. A section with limits is
// live too, with an error that names what is missing.
func (s *section) status(now time.Time) state.SectionStatus {
	r := state.SectionStatus{Live: true}
	listed := true
	for _, h := range s.watches {
		h.clearIfStable(now)
		listed = listed && h.listed
		if h.fresh(now) {
			continue
		}
		r.Live = false
		if r.ObservedAt.IsZero() || h.brokenSince.Before(r.ObservedAt) {
			r.ObservedAt = h.brokenSince
		}
		if r.Error.Reason == "" || r.Error.Reason == state.ReasonPending {
			r.Error = h.sectionError()
		}
		if r.Error.Reason == state.ReasonPending {
			r.Error.Message = "waiting for the first list of " + s.resources()
		}
	}
	if !listed {
		r.ObservedAt = time.Time{}
	}
	if r.Live && len(s.limits) > 0 {
		r.Error = state.SectionError{Reason: state.ReasonRestricted, Message: strings.Join(s.limits, "; ")}
	}
	return r
}

// resources returns the names of the section's resources. A pending section names them all,
// so that its error does not change with each first list.
func (s *section) resources() string {
	var names []string
	for _, h := range s.watches {
		if !slices.Contains(names, h.resource) {
			names = append(names, h.resource)
		}
	}
	return strings.Join(names, " and ")
}

// nextChange returns the next time at which the status may change without an event, or the zero time if
// there is none.
func (s *section) nextChange(now time.Time) time.Time {
	var at time.Time
	for _, h := range s.watches {
		if next := h.nextChange(now); !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at = next
		}
	}
	return at
}

// sectionError returns why the watch is not fresh, with what to do about it.
func (h *watchHealth) sectionError() state.SectionError {
	e := state.SectionError{Reason: reasonOf(h.err)}
	switch e.Reason {
	case state.ReasonForbidden:
		where := "all namespaces"
		if h.namespace != "" {
			where = "the namespace " + h.namespace
		}
		e.Message = fmt.Sprintf("the agent may not read %s: grant its user the verbs list and watch on them in %s (%v)", h.resource, where, h.err)
	case state.ReasonUnauthorized:
		e.Message = fmt.Sprintf("the API server does not accept the agent's credentials: check its service account or kubeconfig (%v)", h.err)
	case state.ReasonUnavailable:
		e.Message = fmt.Sprintf("the API server does not serve %s (%v)", h.resource, h.err)
	case state.ReasonDisconnected:
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
		return state.SectionError{Reason: state.ReasonPending}
	}
	return state.SectionError{Reason: state.ReasonDisconnected, Message: "the watch of " + h.resource + " ended and is being established again"}
}

// reasonOf returns the reason of an error, or "" for nil.
func reasonOf(err error) string {
	switch {
	case err == nil:
		return ""
	case apierrors.IsForbidden(err):
		return state.ReasonForbidden
	case apierrors.IsUnauthorized(err):
		return state.ReasonUnauthorized
	case apierrors.IsNotFound(err):
		return state.ReasonUnavailable
	}
	return state.ReasonDisconnected
}
