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
	// reasonPending means that nothing has been read yet.
	reasonPending = "Pending"
	// reasonDisabled means that usage is switched off by a flag.
	reasonDisabled = "Disabled"
	// reasonUnavailable means that metrics.k8s.io is not served or does not respond.
	reasonUnavailable = "Unavailable"
	// reasonForbidden means that the agent lacks permissions, which the message names.
	reasonForbidden = "Forbidden"
	// reasonUnauthorized means that the API server does not accept the agent's credentials.
	reasonUnauthorized = "Unauthorized"
	// reasonDisconnected means that the API server is unreachable.
	reasonDisconnected = "Disconnected"
	// reasonPartial means that only nodes or only containers were read. The message says which are
	// missing. A master treats usage with this error as fresh, because the rest is current.
	reasonPartial = "Partial"
)

var (
	pending  = state.SectionError{Reason: reasonPending, Message: "usage has not been read yet"}
	disabled = state.SectionError{Reason: reasonDisabled, Message: "usage is switched off: the agent runs with --usage-source none"}
)

// sectionError returns the section's error for a failed reading, with what to do about it.
func sectionError(err error) state.SectionError {
	switch {
	case apierrors.IsNotFound(err):
		return state.SectionError{Reason: reasonUnavailable, Message: "metrics.k8s.io is not served: install metrics-server, or start the agent with --usage-source none"}
	case apierrors.IsServiceUnavailable(err):
		return state.SectionError{Reason: reasonUnavailable, Message: fmt.Sprintf("metrics.k8s.io does not respond: check metrics-server (%v)", err)}
	case apierrors.IsForbidden(err):
		return state.SectionError{Reason: reasonForbidden, Message: fmt.Sprintf("the agent may not read usage: grant its user the verb list on nodes and pods of metrics.k8s.io (%v)", err)}
	case apierrors.IsUnauthorized(err):
		return state.SectionError{Reason: reasonUnauthorized, Message: fmt.Sprintf("the API server does not accept the agent's credentials (%v)", err)}
	}
	return state.SectionError{Reason: reasonDisconnected, Message: fmt.Sprintf("cannot reach the API server to read usage: %v", err)}
}

// missing identifies a part of usage that cannot be read, and the reason.
type missing struct {
	resource string
	reason   metav1.StatusReason
}

// refusal is an error response of the API server to a list request for one part of usage.
type refusal struct {
	missing
	err error
}

// refusalOf returns the refusal in err. It returns nil if err is not a response of the API server but, for
// example, a broken connection or a timeout.
func refusalOf(resource string, err error) *refusal {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	return &refusal{missing{resource, apierrors.ReasonForError(err)}, err}
}

// sectionError returns the section's error: which part is missing, and what to do about it.
func (r *refusal) sectionError() state.SectionError {
	absent, present := "containers", "nodes"
	if r.resource == resourceNodes {
		absent, present = present, absent
	}
	message := fmt.Sprintf("the usage of %s is missing (that of %s was read): ", absent, present)
	switch {
	case apierrors.IsNotFound(r.err):
		message += fmt.Sprintf("metrics.k8s.io does not serve %s: check what serves it (kubectl get --raw /apis/metrics.k8s.io/v1beta1/%s); metrics-server serves both", r.resource, r.resource)
	case apierrors.IsServiceUnavailable(r.err):
		message += fmt.Sprintf("metrics.k8s.io does not respond for %s: check metrics-server (%v)", r.resource, r.err)
	case apierrors.IsForbidden(r.err):
		message += fmt.Sprintf("the agent may not read it: grant its user the verb list on %s of metrics.k8s.io (%v)", r.resource, r.err)
	default:
		message += fmt.Sprintf("check what serves metrics.k8s.io (%v)", r.err)
	}
	return state.SectionError{Reason: reasonPartial, Message: message}
}
