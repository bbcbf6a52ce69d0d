package dial

import (
	"fmt"

	"rollcall.dev/rollcall/api/wire"
)

// Reason says why an agent could not be reached, or why its session ended. The values equal condition reasons
// of package api/v1alpha1.
type Reason string

// Reasons that are resolved by a change of the ClusterAgent.
const (
	// EndpointInvalid means that the endpoint cannot be dialed.
	EndpointInvalid Reason = "EndpointInvalid"
	// TLSInvalid means that the TLS settings cannot be used.
	TLSInvalid Reason = "TLSInvalid"
	// ClusterUIDMismatch means that the agent is in a cluster with another UID than expected.
	ClusterUIDMismatch Reason = "ClusterUIDMismatch"
	// WrongCluster means that the agent has another cluster name.
	WrongCluster Reason = "WrongCluster"
	// PeriodNotGranted means that the granted period is not less than the TTL and the duration.
	PeriodNotGranted Reason = "PeriodNotGranted"
)

// Reasons whose cause is at the agent or in the network.
const (
	// DialFailed means that no agent answered, or that the connection broke.
	DialFailed Reason = "DialFailed"
	// NotLinked means that the agent, which has to dial this master, has not done so.
	NotLinked Reason = "NotLinked"
	// CertificateRefused means that the endpoint's certificate is not trusted.
	CertificateRefused Reason = "CertificateRefused"
	// Unauthorized means that the agent refused the token or the signature.
	Unauthorized Reason = "Unauthorized"
	// ProtocolUnsupported means that master and agent have no protocol version in common.
	ProtocolUnsupported Reason = "ProtocolUnsupported"
	// ProtocolError means that the agent's messages are invalid, or exceed the memory limit.
	ProtocolError Reason = "ProtocolError"
	// Busy means that the agent has as many sessions as it allows.
	Busy Reason = "Busy"
	// AgentNotReady means that the agent cannot read its cluster.
	AgentNotReady Reason = "AgentNotReady"
)

// Superseded means that another master owns the cluster. It is not a reason of a condition, as nothing failed.
const Superseded Reason = "Superseded"

// Failure is the cause of a failed attempt or session, with what to do about it.
type Failure struct {
	Reason Reason
	Err    error
}

// Failf returns a Failure with the error of fmt.Errorf.
func Failf(reason Reason, format string, args ...any) *Failure {
	return &Failure{Reason: reason, Err: fmt.Errorf(format, args...)}
}

func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the error without the reason.
func (f *Failure) Unwrap() error { return f.Err }

// EndFailure returns the failure that an End of the agent reports, or nil if the session ended as agreed.
func EndFailure(m *wire.End) *Failure {
	message := m.Message
	if message == "" {
		message = m.Reason.String()
	}
	switch m.Reason {
	case wire.EndExpired, wire.EndStopped:
		return nil
	case wire.EndBusy:
		return Failf(Busy, "the agent has as many sessions as it allows: %s", message)
	case wire.EndUnauthorized:
		return Failf(Unauthorized, "the agent refused the master's signature: %s", message)
	case wire.EndNotReady:
		return Failf(AgentNotReady, "the agent is not ready: %s", message)
	case wire.EndError:
		return Failf(AgentNotReady, "the agent ended the session: %s", message)
	}
	return Failf(DialFailed, "the agent ended the session: %s", message)
}
