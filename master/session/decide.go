package session

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// facts is the input of decide: everything that determines the next action of a worker.
type facts struct {
	now time.Time

	// Of the process and the Registry:

	// stopping reports whether the master is shutting down.
	stopping bool
	// blockedReason is why the cluster must not have a session, as an end reason, or "" if it may.
	blockedReason string
	// outdated reports whether the open session or the pending dial no longer fits the Registry's entry.
	outdated bool

	// Of demand:

	demand bool
	// demandUntil is when demand ends by itself, or zero if it does not.
	demandUntil time.Time
	// summaryDue reports whether a summary is to be requested.
	summaryDue bool

	// mustRelease reports whether the cluster has to release its memory.
	mustRelease bool

	// Of the dial or session:

	dialing purpose
	// open reports whether a session is open. The next fields are only set if it is.
	open     bool
	period   time.Duration
	duration time.Duration
	// expiresAt is when the agent ends the session.
	expiresAt time.Time
	// lastReceived is when the last message was received, plus the time for which this process was paused
	// since.
	lastReceived time.Time
	// renewing reports whether a Renew has not been answered yet.
	renewing bool

	// Of earlier attempts:

	// failing reports whether the last attempt failed.
	failing bool
	// retryAt is the earliest time of the next attempt, or zero.
	retryAt time.Time
	// hasReport reports whether there is a report with a State, which may be evicted at evictAt.
	hasReport bool
	evictAt   time.Time
}

// purpose is the reason for a dial.
type purpose uint8

const (
	purposeNone purpose = iota
	purposeSession
	purposeSummary
)

// action is what a worker does next.
type action uint8

const (
	// actionWait waits until decision.until, or until something happens.
	actionWait action = iota
	// actionDial dials for a session.
	actionDial
	// actionRequestSummary dials for a summary.
	actionRequestSummary
	// actionCancelDial cancels the pending dial.
	actionCancelDial
	// actionRenew requests a renewal of the session.
	actionRenew
	// actionStop sends Stop and closes the session.
	actionStop
	// actionAbort closes the session of an agent that violates the protocol.
	actionAbort
	// actionEvict drops the State of the report.
	actionEvict
	// actionReleaseMemory ends the dial or session, and releases all memory of the cluster.
	actionReleaseMemory
	// actionClearBackoff ends back-off, since there is no demand.
	actionClearBackoff
	// actionExit ends the worker.
	actionExit
)

// decision is the result of decide.
type decision struct {
	action action
	// reason is the end reason of actionStop and actionAbort, and the reason of actionCancelDial.
	reason string
	// until is the end of actionWait, or zero for no end.
	until time.Time
}

// decide returns the next action of a worker.
func decide(f facts) decision {
	switch {
	case f.mustRelease:
		return decision{action: actionReleaseMemory}
	case f.dialing != purposeNone:
		return f.decideDialing()
	case f.open:
		return f.decideOpen()
	}
	return f.decideClosed()
}

// endReason returns why the session or dial must end, or "" if it may continue.
func (f facts) endReason() string {
	switch {
	case f.stopping:
		return endStopping
	case f.blockedReason != "":
		return f.blockedReason
	case f.outdated:
		return endChanged
	}
	return ""
}

func (f facts) decideDialing() decision {
	if reason := f.endReason(); reason != "" {
		return decision{action: actionCancelDial, reason: reason}
	}
	if f.dialing == purposeSummary && f.demand {
		return decision{action: actionCancelDial}
	}
	return decision{action: actionWait}
}

func (f facts) decideOpen() decision {
	if reason := f.endReason(); reason != "" {
		return decision{action: actionStop, reason: reason}
	}
	timeout := wire.SilenceTimeout(f.period)
	silentAt, overrunAt := f.lastReceived.Add(timeout), f.expiresAt.Add(timeout)
	renewAt := f.expiresAt.Add(-f.duration / 6)
	renewable := f.demand && !f.renewing && f.now.Before(f.expiresAt)
	switch {
	case !f.now.Before(silentAt):
		return decision{action: actionAbort, reason: endSilent}
	case !f.now.Before(overrunAt):
		return decision{action: actionAbort, reason: endOverrun}
	case renewable && !f.now.Before(renewAt):
		return decision{action: actionRenew}
	case renewable:
		return waitUntil(silentAt, overrunAt, renewAt)
	}
	return waitUntil(silentAt, overrunAt)
}

func (f facts) decideClosed() decision {
	evictAt := f.evictAt
	if !f.hasReport {
		evictAt = time.Time{}
	}
	switch {
	case f.stopping:
		return decision{action: actionExit}
	case f.blockedReason != "" && f.failing:
		return decision{action: actionClearBackoff}
	case f.blockedReason != "":
		return decision{action: actionExit}
	case f.hasReport && !f.now.Before(f.evictAt):
		return decision{action: actionEvict}
	case f.demand && f.now.Before(f.retryAt):
		return waitUntil(f.retryAt, f.demandUntil, evictAt)
	case f.demand:
		return decision{action: actionDial}
	case f.failing:
		return decision{action: actionClearBackoff}
	case f.summaryDue:
		return decision{action: actionRequestSummary}
	case f.hasReport:
		return waitUntil(evictAt)
	}
	return decision{action: actionExit}
}

// waitUntil returns actionWait until the earliest of the times that are not zero.
func waitUntil(times ...time.Time) decision {
	d := decision{action: actionWait}
	for _, t := range times {
		if !t.IsZero() && (d.until.IsZero() || t.Before(d.until)) {
			d.until = t
		}
	}
	return d
}
