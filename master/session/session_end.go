package session

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/dial"
)

// sessionEnd describes how an attempt or a session ended.
type sessionEnd struct {
	// reason is the end reason of the session, or "" if no session was open.
	reason string
	// failure is nil if nothing failed.
	failure *dial.Failure
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
	failure *dial.Failure
	// keepBase reports whether the current State may be the base of the next session.
	keepBase bool
	// keepSession reports whether the next session has the same ID.
	keepSession bool
}

// outcomeOf returns what follows the end of a session. After a resync the agent is dialed immediately and
// without a base, unless there were too many resyncs. After a session that expired it is dialed immediately,
// with its base. A session that was superseded has not failed.
func outcomeOf(e sessionEnd, tooManyResyncs bool) outcome {
	switch {
	case e.reason == endSuperseded && e.failure == nil:
		return outcome{keepBase: true}
	case e.resync && tooManyResyncs:
		f := dial.Failf(dial.ProtocolError, "the agent's messages could not be applied %d times within %s: %w", maxResyncs+1, resyncWindow, e.failure.Err)
		return outcome{backOff: true, failure: f}
	case e.resync:
		return outcome{}
	case e.reason == endExpired && e.reports > 0 && 2*e.age >= e.duration:
		return outcome{keepBase: true, keepSession: true}
	case e.reason == endExpired:
		f := dial.Failf(dial.ProtocolError, "the agent ended a session of %s as expired after %s and %d reports", e.duration, e.age.Round(time.Millisecond), e.reports)
		return outcome{backOff: true, failure: f, keepBase: true}
	case e.failure != nil:
		return outcome{backOff: true, failure: e.failure, keepBase: true}
	}
	return outcome{keepBase: true}
}

// agentEnd returns the sessionEnd for an End of the agent. owner reports whether the session was an owner's: agents end
// no session of a guest as superseded, so that is a failure.
func agentEnd(m *wire.End, owner bool) sessionEnd {
	if owner && m.Reason == wire.EndSuperseded {
		return supersededEnd()
	}
	return sessionEnd{reason: m.Reason.String(), failure: dial.EndFailure(m)}
}

// supersededEnd returns the sessionEnd of an owner after which another master owns the cluster.
func supersededEnd() sessionEnd { return sessionEnd{reason: endSuperseded} }

// lostEnd returns the sessionEnd for a broken connection.
func lostEnd(err error) sessionEnd {
	return sessionEnd{reason: endLost, failure: dial.Failf(dial.DialFailed, "the connection to the agent broke: %w", err)}
}

// resyncEnd returns the sessionEnd for messages that cannot be applied.
func resyncEnd(err error) sessionEnd {
	return sessionEnd{reason: endResync, failure: dial.Failf(dial.ProtocolError, "%w", err), resync: true}
}

// overBudgetEnd returns the sessionEnd for a cluster that exceeds its memory limit.
func overBudgetEnd(err error) sessionEnd {
	return sessionEnd{reason: endRefused, failure: dial.Failf(dial.ProtocolError, "%w", err), overBudget: true}
}

// abortEnd returns the sessionEnd of a session that the master aborts, with the reason endSilent or
// endOverrun. silence is the time since the last message.
func abortEnd(reason string, silence time.Duration) sessionEnd {
	if reason == endSilent {
		return sessionEnd{reason: reason, failure: dial.Failf(dial.DialFailed, "no message from the agent for %s", silence)}
	}
	return sessionEnd{reason: reason, failure: dial.Failf(dial.ProtocolError, "the agent did not end the session when it expired")}
}
