package usage

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// Reasons of the usage section's error.
const (
	// reasonPending: nothing has been read yet.
	reasonPending = "Pending"
	// reasonDisabled: usage is off by flag.
	reasonDisabled = "Disabled"
	// reasonUnavailable: metrics.k8s.io is not served, or does not answer.
	reasonUnavailable = "Unavailable"
	// reasonForbidden: the agent lacks rights; the message says which.
	reasonForbidden = "Forbidden"
	// reasonUnauthorized: the API server does not accept the agent's credentials.
	reasonUnauthorized = "Unauthorized"
	// reasonDisconnected: the API server cannot be reached.
	reasonDisconnected = "Disconnected"
	// reasonPartial: only nodes or only containers were read; the message says which are
	// missing. What was read is current: a master treats usage with this error as fresh.
	reasonPartial = "Partial"
)

var (
	pending  = state.SectionError{Reason: reasonPending, Message: "usage has not been read yet"}
	disabled = state.SectionError{Reason: reasonDisabled, Message: "usage is off: the agent runs with --usage-source none"}
)

// sectionError returns the section's error for a failed reading, with what to do about it.
func sectionError(err error) state.SectionError {
	switch {
	case apierrors.IsNotFound(err):
		return state.SectionError{Reason: reasonUnavailable, Message: "metrics.k8s.io is not served: install metrics-server, or start the agent with --usage-source none"}
	case apierrors.IsServiceUnavailable(err):
		return state.SectionError{Reason: reasonUnavailable, Message: fmt.Sprintf("metrics.k8s.io does not answer: check metrics-server (%v)", err)}
	case apierrors.IsForbidden(err):
		return state.SectionError{Reason: reasonForbidden, Message: fmt.Sprintf("the agent may not read usage: grant its user the verb list on nodes and pods of metrics.k8s.io (%v)", err)}
	case apierrors.IsUnauthorized(err):
		return state.SectionError{Reason: reasonUnauthorized, Message: fmt.Sprintf("the API server does not accept the agent's credentials (%v)", err)}
	}
	return state.SectionError{Reason: reasonDisconnected, Message: fmt.Sprintf("cannot reach the API server to read usage: %v", err)}
}

// missing is a part of usage that the API server refuses, and its reason.
type missing struct {
	resource string
	reason   metav1.StatusReason
}

// refusal is an error answer of the API server to a list request for one part of usage.
type refusal struct {
	missing
	err error
}

// refusalOf returns the refusal in err, or nil if err is none: the connection broke, or no
// answer came in time.
func refusalOf(resource string, err error) *refusal {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	return &refusal{missing{resource, apierrors.ReasonForError(err)}, err}
}

// sectionError returns the section's error: which part is missing, and what to do about it.
func (r *refusal) sectionError() state.SectionError {
	lost, there := "containers", "nodes"
	if r.resource == resourceNodes {
		lost, there = there, lost
	}
	what := fmt.Sprintf("the usage of %s is missing (that of %s was read): ", lost, there)
	switch {
	case apierrors.IsNotFound(r.err):
		what += fmt.Sprintf("metrics.k8s.io does not serve %s: check what serves it (kubectl get --raw /apis/metrics.k8s.io/v1beta1/%s); metrics-server serves both", r.resource, r.resource)
	case apierrors.IsServiceUnavailable(r.err):
		what += fmt.Sprintf("metrics.k8s.io does not answer for %s: check metrics-server (%v)", r.resource, r.err)
	case apierrors.IsForbidden(r.err):
		what += fmt.Sprintf("the agent may not read it: grant its user the verb list on %s of metrics.k8s.io (%v)", r.resource, r.err)
	default:
		what += fmt.Sprintf("check what serves metrics.k8s.io (%v)", r.err)
	}
	return state.SectionError{Reason: reasonPartial, Message: what}
}
