package session

import (
	"time"

	"rollcall.dev/rollcall/api/backoff"
)

// retryDelay has full jitter: after an outage of the network, masters have many clusters to dial.
var retryDelay = backoff.Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: 1}

// supersededDelay is how long an owner that was superseded waits before it takes the cluster again. If two masters believe
// to be the owner, they thus do not end each other's sessions in turn for long. A guest does not wait.
var supersededDelay = backoff.Backoff{Min: 2 * time.Second, Max: time.Minute, Jitter: 0.25}

const (
	// supersededWindow is after how long without being superseded the delay starts at its minimum again.
	supersededWindow = 10 * time.Minute
	// More than maxResyncs within resyncWindow count as a failure of the agent.
	maxResyncs   = 3
	resyncWindow = 10 * time.Minute
	// overBudgetWindow is how long a valid report does not reset the number of failures of a cluster that has exceeded
	// its memory limit.
	overBudgetWindow = 10 * time.Minute
)

// attempts is what the attempts of a cluster, to open a session or to request a summary, leave for the next.
type attempts struct {
	// generation is the generation of the spec that the failures belong to.
	generation int64
	// failing reports whether the last attempt failed. The next one is due at retryAt.
	failing  bool
	retryAt  time.Time
	failures int
	resyncs  resyncCounter
	// overBudgetAt is when the cluster last exceeded its memory limit.
	overBudgetAt time.Time
	// superseded counts how often another master has taken the cluster, the last time at supersededAt. This master may
	// take it again at takeAt.
	superseded           int
	supersededAt, takeAt time.Time
	// term is the highest term of this process's sessions as the owner.
	term uint64

	// uid is the UID of the cluster whose agent answered first.
	uid string
	// noBase reports whether the next session must start with a complete snapshot.
	noBase bool
	// resume is the session whose ID and start the next session takes over, if it has an ID.
	resume Info
	// following reports whether the last report came from another master.
	following bool
	// usage identifies the last usage reading that event handlers received.
	usage usageReading
}

// resetOnChange forgets the failures when the cluster's spec was changed, since that may have fixed their
// cause.
func (a *attempts) resetOnChange(generation int64) {
	if a.generation != generation {
		a.generation, a.failures, a.resyncs, a.overBudgetAt, a.retryAt = generation, 0, resyncCounter{}, time.Time{}, time.Time{}
	}
}

// add records the end of an attempt or a session, and returns what follows. random is the jitter of back-off.
func (a *attempts) add(e sessionEnd, now time.Time, random func() float64) outcome {
	if e.resync {
		a.resyncs.add(now)
	}
	if e.overBudget {
		a.overBudgetAt = now
	}
	if e.reason == endSuperseded && e.failure == nil {
		a.addSuperseded(now, random)
	}
	next := outcomeOf(e, a.resyncs.exceeded(now))
	a.noBase, a.resume = !next.keepBase, Info{}
	a.failing, a.retryAt = next.backOff, time.Time{}
	if next.backOff {
		a.failures++
		a.retryAt = now.Add(retryDelay.Delay(a.failures, random()))
	}
	return next
}

// addSuperseded records that another master has taken the cluster.
func (a *attempts) addSuperseded(now time.Time, random func() float64) {
	if now.Sub(a.supersededAt) >= supersededWindow {
		a.superseded = 0
	}
	a.superseded++
	a.supersededAt, a.takeAt = now, now.Add(supersededDelay.Delay(a.superseded, random()))
}

// succeeded records that a valid report was received.
func (a *attempts) succeeded(now time.Time) {
	a.noBase, a.failing = false, false
	if !a.resyncs.exceeded(now) {
		a.resetFailures(now)
	}
}

// endBackoff ends back-off, since there is no demand.
func (a *attempts) endBackoff(now time.Time) {
	a.failing, a.retryAt = false, time.Time{}
	a.resetFailures(now)
}

// resetFailures resets the number of failures. It does nothing if the cluster exceeded its memory limit
// recently: the first report of such a cluster may be small and valid each time, and back-off has to grow all
// the same.
func (a *attempts) resetFailures(now time.Time) {
	if a.overBudgetAt.IsZero() || now.Sub(a.overBudgetAt) >= overBudgetWindow {
		a.failures = 0
	}
}

// resyncCounter counts the sessions that ended with a resync within resyncWindow.
type resyncCounter struct{ times []time.Time }

// add records a resync at a time.
func (r *resyncCounter) add(now time.Time) { r.times = append(r.times, now) }

// exceeded reports whether there were more than maxResyncs within resyncWindow before now. It forgets older
// ones.
func (r *resyncCounter) exceeded(now time.Time) bool {
	for len(r.times) > 0 && now.Sub(r.times[0]) >= resyncWindow {
		r.times = r.times[1:]
	}
	return len(r.times) > maxResyncs
}
