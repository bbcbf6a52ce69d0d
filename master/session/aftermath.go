package session

import (
	"errors"
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// ending is how an attempt or a session came to its end.
type ending struct {
	// word is the session's last end reason; empty: there was no session to end.
	word string
	// fault is what went wrong; nil: nothing.
	fault *failure
	// resync: what came could not be followed.
	resync bool
	// overBudget: the cluster takes too much memory.
	overBudget bool

	// lived is for how long the session was granted before it ended, of duration.
	lived, duration time.Duration
	// reports is how many of its reports were applied.
	reports int
}

// afterEnd is what follows an ending.
type afterEnd struct {
	// fail: the next attempt has to wait, and fault is why. Otherwise whoever wants the
	// cluster dials at once.
	fail  bool
	fault *failure
	// keepBase: what is held may be the base of the next report.
	keepBase bool
	// keepSession: the next session goes on under the same id.
	keepSession bool
}

// after returns what follows the end of a session. After a resync within the limit the master
// dials again immediately without a base; after a session that ran out, with its base.
func after(e ending, tooManyResyncs bool) afterEnd {
	switch {
	case e.resync && tooManyResyncs:
		f := failed(ProtocolError, "the agent's reports could not be followed %d times within %s: %w", maxResyncs+1, resyncWindow, e.fault.err)
		return afterEnd{fail: true, fault: f}
	case e.resync:
		return afterEnd{}
	case e.word == endExpired && e.reports > 0 && 2*e.lived >= e.duration:
		return afterEnd{keepBase: true, keepSession: true}
	case e.word == endExpired:
		f := failed(ProtocolError, "the agent let a session of %s expire after %s and %d reports", e.duration, e.lived.Round(time.Millisecond), e.reports)
		return afterEnd{fail: true, fault: f, keepBase: true}
	case e.fault != nil:
		return afterEnd{fail: true, fault: e.fault, keepBase: true}
	}
	return afterEnd{keepBase: true}
}

// endOf returns the ending for an agent's End.
func endOf(m *wire.End) ending {
	e := ending{word: m.Reason.String()}
	words := m.Message
	if words == "" {
		words = m.Reason.String()
	}
	switch m.Reason {
	case wire.EndExpired, wire.EndStopped:
	case wire.EndBusy:
		e.fault = failed(Busy, "the agent takes no further session: %s", words)
	case wire.EndUnauthorized:
		e.fault = failed(Unauthorized, "the agent refuses what the master signed: %s", words)
	case wire.EndNotReady:
		e.fault = failed(AgentNotReady, "the agent is not ready: %s", words)
	case wire.EndError:
		e.fault = failed(AgentNotReady, "the agent ended the session: %s", words)
	default:
		e.fault = failed(DialFailed, "the agent ended the session: %s", words)
	}
	return e
}

// lost returns the ending for a broken connection.
func lost(err error) ending {
	return ending{word: endLost, fault: failed(DialFailed, "the connection to the agent broke: %w", err)}
}

// unfollowable returns the ending for frames that cannot be applied.
func unfollowable(err error) ending {
	return ending{word: endResync, fault: failed(ProtocolError, "%w", err), resync: true}
}

// refusedFor returns the ending for a cluster that exceeds its memory limit.
func refusedFor(err error) ending {
	return ending{word: endRefused, fault: failed(ProtocolError, "%w", err), overBudget: true}
}

// hungUp returns the ending of a session that the master aborted.
func hungUp(why string, silence time.Duration) ending {
	if why == endSilent {
		return ending{word: why, fault: failed(DialFailed, "nothing came from the agent for %s", silence)}
	}
	return ending{word: why, fault: failed(ProtocolError, "the agent did not end the session when its time was over")}
}

// isResync reports whether an error requires a new session without a base.
func isResync(err error) bool { return errors.Is(err, wire.ErrResync) }
