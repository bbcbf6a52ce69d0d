package session

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// facts are all that a cluster's goroutine goes by when it decides what to do next.
type facts struct {
	now time.Time

	// Of the process and the registry:

	// stopping: the master is shutting down.
	stopping bool
	// blockedReason is why there must be no session at all, as an end's word; empty: fine.
	blockedReason string
	// outdated: the session that is open, or being opened, is not what the registry
	// now asks for.
	outdated bool

	// Of demand:

	demand bool
	// wantedUntil is when demand ends by itself; zero: it does not.
	demandUntil time.Time
	// summaryDue: it is this cluster's turn to be asked for a summary.
	summaryDue bool

	// mustRelease: the cluster has to give its memory back.
	mustRelease bool

	// Of what goes on:

	dialing purpose
	// open: a session was granted, and the rest of this block is about it.
	open     bool
	period   time.Duration
	duration time.Duration
	// expires is when the agent will end the session.
	expiresAt time.Time
	// heard is when the last frame came, later by what this process paused since.
	lastReceived time.Time
	// renewing: a Renew has not been answered.
	renewing bool

	// Of what was:

	// failing: attempts fail, and the next is not before retry.
	failing bool
	// retry is when an attempt may be made; zero: at once.
	retryAt time.Time
	// held: there is a value, which may be let go at evict.
	hasReport bool
	evictAt   time.Time
}

// purpose is what a dial is for.
type purpose uint8

const (
	purposeNone purpose = iota
	purposeSession
	purposeSummary
)

// action is what to do next.
type action uint8

const (
	// wait for something to happen, until decision.until at most.
	actionWait action = iota
	// dial for a session.
	actionDial
	// askSummary dials for one summary.
	actionRequestSummary
	// giveUp the dial.
	actionCancelDial
	// renew the session.
	actionRenew
	// stop the session: tell the agent, and close.
	actionStop
	// abort closes on an agent that does not keep to the protocol.
	actionAbort
	// evict of the value.
	actionEvict
	// release all memory of the cluster, with its session if there is one.
	actionReleaseMemory
	// calm down: nobody wants what fails.
	actionClearBackoff
	// leave: nothing is left to do.
	actionExit
)

// decision is what to do next, and why where that is not plain.
type decision struct {
	action action
	// why is the end's word, with giveUp, stop and abort.
	reason string
	// until is with wait; zero: without limit.
	until time.Time
}

// decide returns what to do next.
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

// endReason returns why a session, open or being opened, must end, or "" if it need not.
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

// waitUntil waits until the earliest of the times that are not zero.
func waitUntil(times ...time.Time) decision {
	d := decision{action: actionWait}
	for _, t := range times {
		if !t.IsZero() && (d.until.IsZero() || t.Before(d.until)) {
			d.until = t
		}
	}
	return d
}
