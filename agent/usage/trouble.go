package usage

import (
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

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
