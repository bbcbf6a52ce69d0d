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

	wanted bool
	// wantedUntil is when demand ends by itself; zero: it does not.
	wantedUntil time.Time
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
	expires time.Time
	// heard is when the last frame came, later by what this process paused since.
	heard time.Time
	// renewing: a Renew has not been answered.
	renewing bool

	// Of what was:

	// failing: attempts fail, and the next is not before retry.
	failing bool
	// retry is when an attempt may be made; zero: at once.
	retry time.Time
	// held: there is a value, which may be let go at evict.
	held  bool
	evict time.Time
}

// purpose is what a dial is for.
type purpose uint8

const (
	forNothing purpose = iota
	forSession
	forSummary
)

// action is what to do next.
type action uint8

const (
	// wait for something to happen, until decision.until at most.
	wait action = iota
	// dial for a session.
	dial
	// askSummary dials for one summary.
	askSummary
	// giveUp the dial.
	giveUp
	// renew the session.
	renew
	// stop the session: tell the agent, and close.
	stop
	// abort closes on an agent that does not keep to the protocol.
	abort
	// evict of the value.
	evict
	// release all memory of the cluster, with its session if there is one.
	release
	// calm down: nobody wants what fails.
	calm
	// leave: nothing is left to do.
	leave
)

// decision is what to do next, and why where that is not plain.
type decision struct {
	do action
	// why is the end's word, with giveUp, stop and abort.
	why string
	// until is with wait; zero: without limit.
	until time.Time
}

// decide returns what to do next.
func decide(f facts) decision {
	switch {
	case f.mustRelease:
		return decision{do: release}
	case f.dialing != forNothing:
		return f.whileDialing()
	case f.open:
		return f.whileOpen()
	}
	return f.whileClosed()
}

// mustEnd returns why a session, open or being opened, must end, or "" if it need not.
func (f facts) mustEnd() string {
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

func (f facts) whileDialing() decision {
	if why := f.mustEnd(); why != "" {
		return decision{do: giveUp, why: why}
	}
	if f.dialing == forSummary && f.wanted {
		return decision{do: giveUp}
	}
	return decision{do: wait}
}

func (f facts) whileOpen() decision {
	if why := f.mustEnd(); why != "" {
		return decision{do: stop, why: why}
	}
	patience := wire.SilenceTimeout(f.period)
	silent, overrun := f.heard.Add(patience), f.expires.Add(patience)
	renewAt := f.expires.Add(-f.duration / 6)
	renewable := f.wanted && !f.renewing && f.now.Before(f.expires)
	switch {
	case !f.now.Before(silent):
		return decision{do: abort, why: endSilent}
	case !f.now.Before(overrun):
		return decision{do: abort, why: endOverrun}
	case renewable && !f.now.Before(renewAt):
		return decision{do: renew}
	case renewable:
		return waitUntil(silent, overrun, renewAt)
	}
	return waitUntil(silent, overrun)
}

func (f facts) whileClosed() decision {
	evictAt := f.evict
	if !f.held {
		evictAt = time.Time{}
	}
	switch {
	case f.stopping:
		return decision{do: leave}
	case f.blockedReason != "" && f.failing:
		return decision{do: calm}
	case f.blockedReason != "":
		return decision{do: leave}
	case f.held && !f.now.Before(f.evict):
		return decision{do: evict}
	case f.wanted && f.now.Before(f.retry):
		return waitUntil(f.retry, f.wantedUntil, evictAt)
	case f.wanted:
		return decision{do: dial}
	case f.failing:
		return decision{do: calm}
	case f.summaryDue:
		return decision{do: askSummary}
	case f.held:
		return waitUntil(evictAt)
	}
	return decision{do: leave}
}

// waitUntil waits until the earliest of the times that are not zero.
func waitUntil(times ...time.Time) decision {
	d := decision{do: wait}
	for _, t := range times {
		if !t.IsZero() && (d.until.IsZero() || t.Before(d.until)) {
			d.until = t
		}
	}
	return d
}
