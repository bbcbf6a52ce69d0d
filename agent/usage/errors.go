package usage

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

var (
	pending  = state.SectionError{Reason: state.ReasonPending, Message: "usage has not been read yet"}
	disabled = state.SectionError{Reason: state.ReasonDisabled, Message: "usage is switched off: the agent runs with --usage-source none"}
)

// sectionError returns the section's error for a failed reading, with what to do about it.
func sectionError(err error) state.SectionError {
	switch {
	case apierrors.IsNotFound(err):
		return state.SectionError{Reason: state.ReasonUnavailable, Message: "metrics.k8s.io is not served: install metrics-server, or start the agent with --usage-source none"}
	case apierrors.IsServiceUnavailable(err):
		return state.SectionError{Reason: state.ReasonUnavailable, Message: fmt.Sprintf("metrics.k8s.io does not respond: check metrics-server (%v)", err)}
	case apierrors.IsForbidden(err):
		return state.SectionError{Reason: state.ReasonForbidden, Message: fmt.Sprintf("the agent may not read usage: grant its user the verb list on nodes and pods of metrics.k8s.io (%v)", err)}
	case apierrors.IsUnauthorized(err):
		return state.SectionError{Reason: state.ReasonUnauthorized, Message: fmt.Sprintf("the API server does not accept the agent's credentials (%v)", err)}
	}
	return state.SectionError{Reason: state.ReasonDisconnected, Message: fmt.Sprintf("cannot reach the API server to read usage: %v", err)}
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
	return state.SectionError{Reason: state.ReasonPartial, Message: message}
}
