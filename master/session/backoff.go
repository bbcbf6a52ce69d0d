package session

import "time"

// minBackoff and maxBackoff are the limits of the delay before jitter.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// backoff returns the delay before the next attempt after a number of consecutive failures, which is at least
// 1. The delay doubles from minBackoff to maxBackoff, and is multiplied by random (0 ≤ random < 1) as full
// jitter.
func backoff(failures int, random float64) time.Duration {
	ceiling := maxBackoff
	if shift := failures - 1; shift < 16 {
		ceiling = min(minBackoff<<shift, maxBackoff)
	}
	return time.Duration(random * float64(ceiling))
}

// More than maxResyncs within resyncWindow count as a failure of the agent.
const (
	maxResyncs   = 3
	resyncWindow = 10 * time.Minute
	// refusalWindow is how long the failures of a cluster that exceeded its memory limit are counted on,
	// although it sent valid reports.
	refusalWindow = 10 * time.Minute
)

// resetFailures resets the number of failures. It does nothing if the cluster exceeded its memory limit
// recently: the first report of such a cluster may be small and valid each time, and back-off has to grow all
// the same.
func (r *retainedState) resetFailures(now time.Time) {
	if r.refusedAt.IsZero() || now.Sub(r.refusedAt) >= refusalWindow {
		r.failures = 0
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
