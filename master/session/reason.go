package session

// Reason says how the last attempt to reach a cluster went. Each equals the
// condition reason of that name of package api/v1alpha1.
type Reason string

// Reasons that need nobody to do anything.
const (
	// Succeeded: the agent answered the last time it was called.
	Succeeded Reason = "Succeeded"
	// AwaitingFirstContact: it has not been called since it was made or changed.
	AwaitingFirstContact Reason = "AwaitingFirstContact"
	// Suspended: it must not be called.
	Suspended Reason = "Suspended"
)

// Reasons that a change of the ClusterAgent ends.
const (
	// EndpointInvalid: the endpoint cannot be dialed as it is written.
	EndpointInvalid Reason = "EndpointInvalid"
	// TLSInvalid: what the certificate is to be held against cannot be used.
	TLSInvalid Reason = "TLSInvalid"
	// ClusterUIDMismatch: another cluster than expected answers.
	ClusterUIDMismatch Reason = "ClusterUIDMismatch"
	// WrongCluster: the agent answers for another name.
	WrongCluster Reason = "WrongCluster"
	// PeriodNotGranted: what the agent granted breaks period < TTL, or < duration.
	PeriodNotGranted Reason = "PeriodNotGranted"
)

// Reasons that have to be looked for at the agent, or on the way to it.
const (
	// DialFailed: nobody answers, or somebody who is no agent, or who went away.
	DialFailed Reason = "DialFailed"
	// CertificateRefused: who answers shows a certificate that is not trusted.
	CertificateRefused Reason = "CertificateRefused"
	// Unauthorized: the agent refuses the token, or the signature on its connection.
	Unauthorized Reason = "Unauthorized"
	// ClockSkew (Ready=True): the clocks differ by more than a token allows, and dials go by
	// nonces of the agent's.
	ClockSkew Reason = "ClockSkew"
	// ProtocolUnsupported: there is no protocol version in common.
	ProtocolUnsupported Reason = "ProtocolUnsupported"
	// ProtocolError: the agent's messages cannot be followed, or become more than the
	// master's memory has room for.
	ProtocolError Reason = "ProtocolError"
	// Busy: the agent reports to as many masters as it can.
	Busy Reason = "Busy"
	// AgentNotReady: the agent cannot read its cluster.
	AgentNotReady Reason = "AgentNotReady"
)

// Phase says what goes on between master and agent.
type Phase string

// Phases, as status.session.phase has them.
const (
	// Idle: nobody asks, so nothing is open.
	Idle Phase = "Idle"
	// Connecting: the master dials, or waits for the first report.
	Connecting Phase = "Connecting"
	// Reporting: reports arrive.
	Reporting Phase = "Reporting"
	// Backoff: the last attempt failed, and the master waits before the next.
	Backoff Phase = "Backoff"
)

// How a session came to its end, as status.session.lastEndReason has it. What an
// agent says of it is wire.EndReason's text.
const (
	endExpired   = "expired"
	endSuspended = "suspended"
	endDeleted   = "deleted"
	endChanged   = "changed"
	endInvalid   = "invalid"
	endStopping  = "master stopping"
	endSilent    = "silent"
	endOverrun   = "overrun"
	endLost      = "connection lost"
	endResync    = "resync"
	endRefused   = "refused"
	// endPaused: this process did not run, and the connection broke meanwhile.
	endPaused = "master paused"
)
