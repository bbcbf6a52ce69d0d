package session

// Reason is the result of the last attempt to reach a cluster. The values equal condition reasons of package
// api/v1alpha1.
type Reason string

// Reasons that require no action.
const (
	// Succeeded means that the last attempt succeeded.
	Succeeded Reason = "Succeeded"
	// AwaitingFirstContact means that there was no attempt since the cluster was created or its endpoint
	// changed.
	AwaitingFirstContact Reason = "AwaitingFirstContact"
	// Suspended means that the cluster must not be dialed.
	Suspended Reason = "Suspended"
)

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
	// CertificateRefused means that the endpoint's certificate is not trusted.
	CertificateRefused Reason = "CertificateRefused"
	// Unauthorized means that the agent refused the token or the signature.
	Unauthorized Reason = "Unauthorized"
	// ClockSkew means that the last attempt succeeded, but that the clocks differ by more than a token
	// allows, so each dial needs a nonce of the agent.
	ClockSkew Reason = "ClockSkew"
	// ProtocolUnsupported means that master and agent have no protocol version in common.
	ProtocolUnsupported Reason = "ProtocolUnsupported"
	// ProtocolError means that the agent's messages are invalid, or exceed the memory limit.
	ProtocolError Reason = "ProtocolError"
	// Busy means that the agent has as many sessions as it allows.
	Busy Reason = "Busy"
	// AgentNotReady means that the agent cannot read its cluster.
	AgentNotReady Reason = "AgentNotReady"
)

// Phase is the phase of a cluster's session.
type Phase string

// Values of status.session.phase.
const (
	// Idle means that there is no session, since there is no demand.
	Idle Phase = "Idle"
	// Connecting means that the master dials, or waits for the first report.
	Connecting Phase = "Connecting"
	// Reporting means that reports arrive.
	Reporting Phase = "Reporting"
	// Backoff means that the last attempt failed, and that the next one is not due yet.
	Backoff Phase = "Backoff"
)

// End reasons of sessions: values of status.session.lastEndReason. If the agent ends a session, the value is
// the text of its wire.EndReason.
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
	// endPaused means that the connection broke while this process was paused.
	endPaused = "master paused"
)
