package session

import (
	"errors"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// sessionEnd is how an attempt or a session came to its end.
type sessionEnd struct {
	// word is the session's last end reason; empty: there was no session to end.
	reason string
	// fault is what went wrong; nil: nothing.
	failure *failure
	// resync: what came could not be followed.
	resync bool
	// overBudget: the cluster takes too much memory.
	overBudget bool

	// lived is for how long the session was granted before it ended, of duration.
	age, duration time.Duration
	// reports is how many of its reports were applied.
	reports int
}

// outcome is what follows an ending.
type outcome struct {
	// fail: the next attempt has to wait, and fault is why. Otherwise whoever wants the
	// cluster dials at once.
	backOff bool
	failure *failure
	// keepBase: what is held may be the base of the next report.
	keepBase bool
	// keepSession: the next session goes on under the same id.
	keepSession bool
}

// outcomeOf returns what follows the end of a session. After a resync within the limit the master
// dials again immediately without a base; after a session that ran out, with its base.
func outcomeOf(e sessionEnd, tooManyResyncs bool) outcome {
	switch {
	case e.resync && tooManyResyncs:
		f := failed(ProtocolError, "the agent's reports could not be followed %d times within %s: %w", maxResyncs+1, resyncWindow, e.failure.err)
		return outcome{backOff: true, failure: f}
	case e.resync:
		return outcome{}
	case e.reason == endExpired && e.reports > 0 && 2*e.age >= e.duration:
		return outcome{keepBase: true, keepSession: true}
	case e.reason == endExpired:
		f := failed(ProtocolError, "the agent let a session of %s expire after %s and %d reports", e.duration, e.age.Round(time.Millisecond), e.reports)
		return outcome{backOff: true, failure: f, keepBase: true}
	case e.failure != nil:
		return outcome{backOff: true, failure: e.failure, keepBase: true}
	}
	return outcome{keepBase: true}
}

// agentEnd returns the ending for an agent's End.
func agentEnd(m *wire.End) sessionEnd {
	e := sessionEnd{reason: m.Reason.String()}
	message := m.Message
	if message == "" {
		message = m.Reason.String()
	}
	switch m.Reason {
	case wire.EndExpired, wire.EndStopped:
	case wire.EndBusy:
		e.failure = failed(Busy, "the agent takes no further session: %s", message)
	case wire.EndUnauthorized:
		e.failure = failed(Unauthorized, "the agent refuses what the master signed: %s", message)
	case wire.EndNotReady:
		e.failure = failed(AgentNotReady, "the agent is not ready: %s", message)
	case wire.EndError:
		e.failure = failed(AgentNotReady, "the agent ended the session: %s", message)
	default:
		e.failure = failed(DialFailed, "the agent ended the session: %s", message)
	}
	return e
}

// lostEnd returns the ending for a broken connection.
func lostEnd(err error) sessionEnd {
	return sessionEnd{reason: endLost, failure: failed(DialFailed, "the connection to the agent broke: %w", err)}
}

// resyncEnd returns the ending for frames that cannot be applied.
func resyncEnd(err error) sessionEnd {
	return sessionEnd{reason: endResync, failure: failed(ProtocolError, "%w", err), resync: true}
}

// overBudgetEnd returns the ending for a cluster that exceeds its memory limit.
func overBudgetEnd(err error) sessionEnd {
	return sessionEnd{reason: endRefused, failure: failed(ProtocolError, "%w", err), overBudget: true}
}

// abortEnd returns the ending of a session that the master aborted.
func abortEnd(reason string, silence time.Duration) sessionEnd {
	if reason == endSilent {
		return sessionEnd{reason: reason, failure: failed(DialFailed, "nothing came from the agent for %s", silence)}
	}
	return sessionEnd{reason: reason, failure: failed(ProtocolError, "the agent did not end the session when its time was over")}
}

// requiresResync reports whether an error requires a new session without a base.
func requiresResync(err error) bool { return errors.Is(err, wire.ErrResync) }
