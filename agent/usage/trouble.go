package usage

import (
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// Reasons of the section, and what they mean.
const (
	// reasonPending: nothing has been read yet.
	reasonPending = "Pending"
	// reasonDisabled: it never will be.
	reasonDisabled = "Disabled"
	// reasonUnavailable: metrics.k8s.io is not there, or does not answer.
	reasonUnavailable = "Unavailable"
	// reasonForbidden: the agent lacks rights; the message says which.
	reasonForbidden = "Forbidden"
	// reasonUnauthorized: the API server does not know the agent.
	reasonUnauthorized = "Unauthorized"
	// reasonDisconnected: the API server cannot be asked.
	reasonDisconnected = "Disconnected"
	// reasonPartial: nodes were read and containers not, or the other way round; the message
	// says which are missing. What was read is fresh: a master takes usage with this error
	// for no older than without one.
	reasonPartial = "Partial"
)

var (
	pending  = state.SectionError{Reason: reasonPending, Message: "usage has not been read yet"}
	disabled = state.SectionError{Reason: reasonDisabled, Message: "usage is switched off: the agent runs with --usage-source none"}
)

// troubleOf is why usage could not be read, in words for those who can act.
func troubleOf(err error) state.SectionError {
	switch {
	case apierrors.IsNotFound(err):
		return state.SectionError{Reason: reasonUnavailable, Message: "metrics.k8s.io is not served: install metrics-server, or start the agent with --usage-source none"}
	case apierrors.IsServiceUnavailable(err):
		return state.SectionError{Reason: reasonUnavailable, Message: fmt.Sprintf("metrics.k8s.io does not answer: look after metrics-server (%v)", err)}
	case apierrors.IsForbidden(err):
		return state.SectionError{Reason: reasonForbidden, Message: fmt.Sprintf("the agent may not read usage: grant its user the verb list on nodes and pods of metrics.k8s.io (%v)", err)}
	case apierrors.IsUnauthorized(err):
		return state.SectionError{Reason: reasonUnauthorized, Message: fmt.Sprintf("the API server does not accept the agent's credentials (%v)", err)}
	}
	return state.SectionError{Reason: reasonDisconnected, Message: fmt.Sprintf("the API server cannot be asked for usage: %v", err)}
}

// missing is a part of usage that the API server does not give, and its reason.
type missing struct {
	resource string
	reason   metav1.StatusReason
}

// refusal is the API server's answer to a question for one part of usage.
type refusal struct {
	missing
	err error
}

// refusalOf returns the refusal that an error is; nil where it is none, so that nothing is
// known of the resource: the connection broke, or nobody answered in time.
func refusalOf(resource string, err error) *refusal {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return nil
	}
	return &refusal{missing{resource, apierrors.ReasonForError(err)}, err}
}

// trouble is what is missing without a part of usage, and what to do about it.
func (r *refusal) trouble() state.SectionError {
	lost, there := "containers", "nodes"
	if r.resource == resourceNodes {
		lost, there = there, lost
	}
	what := fmt.Sprintf("the usage of %s is missing, that of %s is there: ", lost, there)
	switch {
	case apierrors.IsNotFound(r.err):
		what += fmt.Sprintf("metrics.k8s.io does not serve %s: look after what serves it (kubectl get --raw /apis/metrics.k8s.io/v1beta1/%s); metrics-server serves both", r.resource, r.resource)
	case apierrors.IsServiceUnavailable(r.err):
		what += fmt.Sprintf("metrics.k8s.io does not answer for %s: look after metrics-server (%v)", r.resource, r.err)
	case apierrors.IsForbidden(r.err):
		what += fmt.Sprintf("the agent may not read it: grant its user the verb list on %s of metrics.k8s.io (%v)", r.resource, r.err)
	default:
		what += fmt.Sprintf("look after what serves metrics.k8s.io (%v)", r.err)
	}
	return state.SectionError{Reason: reasonPartial, Message: what}
}
