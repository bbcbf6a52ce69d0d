package session

import (
	"hash/fnv"
	"time"
)

// demandTTL returns how long a GET counts as demand.
func demandTTL(c Cluster) time.Duration { return max(3*c.CacheTTL, c.SessionDuration/6) }

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// firstDelay and maxDelay bound the pauses between attempts.
const (
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
)

// backoff returns the delay before the next attempt after a number of consecutive failures (at
// least one). It doubles from firstDelay to maxDelay, with full jitter by random (0 ≤ random <
// 1).
func backoff(failures int, random float64) time.Duration {
	ceiling := maxBackoff
	if shift := failures - 1; shift < 16 {
		ceiling = min(minBackoff<<shift, maxBackoff)
	}
	return time.Duration(random * float64(ceiling))
}

// nextSummaryTime returns when the cluster's next summary is due: the first point after now of a grid
// with the given period, shifted by a hash of the name, so that clusters are spread evenly.
func nextSummaryTime(name string, interval time.Duration, now time.Time) time.Time {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	shift := time.Duration(h.Sum64() % uint64(interval)) //nolint:gosec // every is above zero
	elapsed := (time.Duration(now.UnixNano())%interval - shift + interval) % interval
	return now.Add(interval - elapsed)
}

// Resyncs are let pass so often within so long; then it is the agent's fault.
const (
	maxResyncs   = 3
	resyncWindow = 10 * time.Minute
	// refusalWindow is for how long after a refusal back-off goes on to grow.
	refusalWindow = 10 * time.Minute
)

// resetFailures ends the counting of failures, unless the cluster was refused lately for the
// memory that it takes: what it sends at first may be small.
func (r *retainedState) resetFailures(now time.Time) {
	if r.refusedAt.IsZero() || now.Sub(r.refusedAt) >= refusalWindow {
		r.failures = 0
	}
}

// resyncCounter remembers when reports could not be followed.
type resyncCounter struct{ times []time.Time }

// add notes another one.
func (r *resyncCounter) add(now time.Time) { r.times = append(r.times, now) }

// exceeded reports whether there were more recent resyncs than the limit.
func (r *resyncCounter) exceeded(now time.Time) bool {
	for len(r.times) > 0 && now.Sub(r.times[0]) >= resyncWindow {
		r.times = r.times[1:]
	}
	return len(r.times) > maxResyncs
}
