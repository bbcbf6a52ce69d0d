package session

import (
	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/session/dial"
)

// Reason is the result of the last attempt to reach a cluster: one of the reasons below, or the reason of a
// dial.Failure. The values equal condition reasons of package api/v1alpha1.
type Reason = dial.Reason

// Reasons that are not failures of the agent, as package http/v1 declares them.
const (
	// Succeeded means that the last attempt succeeded.
	Succeeded Reason = httpv1.ReasonSucceeded
	// AwaitingFirstContact means that there was no attempt since the cluster was created or its endpoint
	// changed.
	AwaitingFirstContact Reason = httpv1.ReasonAwaitingFirstContact
	// Suspended means that the cluster must not be dialed.
	Suspended Reason = httpv1.ReasonSuspended
	// ClockSkew means that the last attempt succeeded, but that the clocks differ by more than a token
	// allows, so each dial needs a nonce of the agent.
	ClockSkew Reason = httpv1.ReasonClockSkew
)

// Phase is the phase of a cluster's session.
type Phase = httpv1.Phase

// Phases, as package http/v1 declares them.
const (
	Idle       = httpv1.Idle
	Connecting = httpv1.Connecting
	Reporting  = httpv1.Reporting
	Backoff    = httpv1.Backoff
)

// End reasons of sessions: values of status.session.lastEndReason. If the agent ends a session, the value is
// the text of its wire.EndReason.
const (
	// endExpired means that the duration of the session was over.
	endExpired = "expired"
	// endSuperseded means that another master owns the cluster, according to the agent or the Store.
	endSuperseded = "superseded"
	// endSuspended, endDeleted, endChanged and endInvalid mean that the ClusterAgent was suspended, deleted or
	// changed, or is invalid.
	endSuspended = "suspended"
	endDeleted   = "deleted"
	endChanged   = "changed"
	endInvalid   = "invalid"
	// endStopping means that the master was shutting down.
	endStopping = "master stopping"
	// endSilent means that no message of the agent was received for wire.SilenceTimeout.
	endSilent = "silent"
	// endOverrun means that the agent did not end the session when it expired.
	endOverrun = "overrun"
	// endLost means that the connection broke.
	endLost = "connection lost"
	// endResync means that a message of the agent was invalid or could not be applied.
	endResync = "resync"
	// endRefused means that the master refused the agent's grant for a renewal, or that the cluster exceeded its memory
	// limit.
	endRefused = "refused"
	// endGuest means that a master which does not own the cluster needs its session no longer: its readers have left, it
	// gets the reports of the owner, or it has become the owner.
	endGuest = "guest left"
	// endPaused means that the connection broke while this process was paused.
	endPaused = "master paused"
)
