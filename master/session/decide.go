package session

import (
	"time"

	"rollcall.dev/rollcall/api/wire"
)

// inputs has everything that determines the next action of a worker.
type inputs struct {
	now time.Time

	// Of the process and the Registry:

	// stopping reports whether the master is shutting down.
	stopping bool
	// blockedReason is why the cluster must not have a session, as an end reason, or "" if it may.
	blockedReason string
	// outdated reports whether the open session or the pending dial no longer fits the Registry's entry.
	outdated bool

	// Of other masters:

	// following reports whether another master owns the cluster.
	following bool
	// followed reports whether a report of another master is to be published.
	followed bool
	// ownerReports reports whether the last report of another master is fresh.
	ownerReports bool
	// guestAt is when this master may dial for its readers although it does not own the cluster, or zero if it has none.
	guestAt time.Time

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
	open bool
	// guest reports whether the session is that of a guest.
	guest    bool
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
	// actionFollow publishes a report of another master.
	actionFollow
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
func decide(in inputs) decision {
	switch {
	case in.mustRelease:
		return decision{action: actionReleaseMemory}
	case in.followed:
		return decision{action: actionFollow}
	case in.dialing != purposeNone:
		return in.decideDialing()
	case in.open:
		return in.decideOpen()
	}
	return in.decideClosed()
}

// endReason returns why the session or dial must end, or "" if it may continue.
func (in inputs) endReason() string {
	switch {
	case in.stopping:
		return endStopping
	case in.blockedReason != "":
		return in.blockedReason
	case in.outdated:
		return endChanged
	}
	return ""
}

func (in inputs) decideDialing() decision {
	if reason := in.endReason(); reason != "" {
		return decision{action: actionCancelDial, reason: reason}
	}
	if in.dialing == purposeSummary && in.demand {
		return decision{action: actionCancelDial}
	}
	return decision{action: actionWait}
}

func (in inputs) decideOpen() decision {
	if reason := in.endReason(); reason != "" {
		return decision{action: actionStop, reason: reason}
	}
	if in.guest && (!in.following || in.ownerReports || in.guestAt.IsZero()) {
		return decision{action: actionStop, reason: endGuest}
	}
	timeout := wire.SilenceTimeout(in.period)
	silentAt, overrunAt := in.lastReceived.Add(timeout), in.expiresAt.Add(timeout)
	renewAt := in.expiresAt.Add(-in.duration / 6)
	renewable := in.demand && !in.renewing && in.now.Before(in.expiresAt)
	switch {
	case !in.now.Before(silentAt):
		return decision{action: actionAbort, reason: endSilent}
	case !in.now.Before(overrunAt):
		return decision{action: actionAbort, reason: endOverrun}
	case renewable && !in.now.Before(renewAt):
		return decision{action: actionRenew}
	case renewable:
		return waitUntil(silentAt, overrunAt, renewAt)
	}
	return waitUntil(silentAt, overrunAt)
}

func (in inputs) decideClosed() decision {
	evictAt := in.evictAt
	if !in.hasReport {
		evictAt = time.Time{}
	}
	switch {
	case in.stopping:
		return decision{action: actionExit}
	case in.blockedReason != "" && in.failing:
		return decision{action: actionClearBackoff}
	case in.blockedReason != "":
		return decision{action: actionExit}
	case in.hasReport && !in.now.Before(in.evictAt):
		return decision{action: actionEvict}
	case in.following:
		return in.decideFollowing(evictAt)
	case in.demand && in.now.Before(in.retryAt):
		return waitUntil(in.retryAt, in.demandUntil, evictAt)
	case in.demand:
		return decision{action: actionDial}
	case in.failing:
		return decision{action: actionClearBackoff}
	case in.summaryDue:
		return decision{action: actionRequestSummary}
	case in.hasReport:
		return waitUntil(evictAt)
	}
	return decision{action: actionExit}
}

// decideFollowing decides for a cluster that another master owns. It is dialed only for readers who wait although the
// owner does not report.
func (in inputs) decideFollowing(evictAt time.Time) decision {
	dialAt := later(in.guestAt, in.retryAt)
	switch {
	case in.failing && !in.demand:
		return decision{action: actionClearBackoff}
	case !in.guestAt.IsZero() && !in.now.Before(dialAt):
		return decision{action: actionDial}
	case !in.guestAt.IsZero():
		return waitUntil(dialAt, evictAt)
	case in.failing:
		return waitUntil(in.demandUntil, evictAt)
	case in.hasReport:
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
