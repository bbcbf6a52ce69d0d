package session

import (
	"errors"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// sessionEnd describes how an attempt or a session ended.
type sessionEnd struct {
	// reason is the end reason of the session, or "" if no session was open.
	reason string
	// failure is nil if nothing failed.
	failure *failure
	// resync reports whether the agent's messages could not be applied.
	resync bool
	// overBudget reports whether the cluster exceeded its memory limit.
	overBudget bool

	// age is the time since the last grant, and duration what was granted.
	age, duration time.Duration
	// reports is the number of reports that were applied.
	reports int
}

// outcome is what follows a sessionEnd.
type outcome struct {
	// backOff reports whether the next attempt has to wait, because of failure. Otherwise a cluster with
	// demand is dialed immediately.
	backOff bool
	failure *failure
	// keepBase reports whether the present State may be the base of the next session.
	keepBase bool
	// keepSession reports whether the next session has the same ID.
	keepSession bool
}

// outcomeOf returns what follows the end of a session. After a resync the agent is dialed immediately and
// without a base, unless there were too many resyncs. After a session that expired it is dialed immediately,
// with its base.
func outcomeOf(e sessionEnd, tooManyResyncs bool) outcome {
	switch {
	case e.resync && tooManyResyncs:
		f := failed(ProtocolError, "the agent's messages could not be applied %d times within %s: %w", maxResyncs+1, resyncWindow, e.failure.err)
		return outcome{backOff: true, failure: f}
	case e.resync:
		return outcome{}
	case e.reason == endExpired && e.reports > 0 && 2*e.age >= e.duration:
		return outcome{keepBase: true, keepSession: true}
	case e.reason == endExpired:
		f := failed(ProtocolError, "the agent ended a session of %s as expired after %s and %d reports", e.duration, e.age.Round(time.Millisecond), e.reports)
		return outcome{backOff: true, failure: f, keepBase: true}
	case e.failure != nil:
		return outcome{backOff: true, failure: e.failure, keepBase: true}
	}
	return outcome{keepBase: true}
}

// agentEnd returns the sessionEnd for an End of the agent.
func agentEnd(m *wire.End) sessionEnd {
	e := sessionEnd{reason: m.Reason.String()}
	message := m.Message
	if message == "" {
		message = m.Reason.String()
	}
	switch m.Reason {
	case wire.EndExpired, wire.EndStopped:
	case wire.EndBusy:
		e.failure = failed(Busy, "the agent has as many sessions as it allows: %s", message)
	case wire.EndUnauthorized:
		e.failure = failed(Unauthorized, "the agent refused the master's signature: %s", message)
	case wire.EndNotReady:
		e.failure = failed(AgentNotReady, "the agent is not ready: %s", message)
	case wire.EndError:
		e.failure = failed(AgentNotReady, "the agent ended the session: %s", message)
	default:
		e.failure = failed(DialFailed, "the agent ended the session: %s", message)
	}
	return e
}

// lostEnd returns the sessionEnd for a broken connection.
func lostEnd(err error) sessionEnd {
	return sessionEnd{reason: endLost, failure: failed(DialFailed, "the connection to the agent broke: %w", err)}
}

// resyncEnd returns the sessionEnd for messages that cannot be applied.
func resyncEnd(err error) sessionEnd {
	return sessionEnd{reason: endResync, failure: failed(ProtocolError, "%w", err), resync: true}
}

// overBudgetEnd returns the sessionEnd for a cluster that exceeds its memory limit.
func overBudgetEnd(err error) sessionEnd {
	return sessionEnd{reason: endRefused, failure: failed(ProtocolError, "%w", err), overBudget: true}
}

// abortEnd returns the sessionEnd of a session that the master aborts, with the reason endSilent or
// endOverrun. silence is the time since the last message.
func abortEnd(reason string, silence time.Duration) sessionEnd {
	if reason == endSilent {
		return sessionEnd{reason: reason, failure: failed(DialFailed, "no message from the agent for %s", silence)}
	}
	return sessionEnd{reason: reason, failure: failed(ProtocolError, "the agent did not end the session when it expired")}
}

// requiresResync reports whether an error requires a new session without a base.
func requiresResync(err error) bool { return errors.Is(err, wire.ErrResync) }
