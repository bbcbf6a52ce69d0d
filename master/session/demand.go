package session

import (
	"context"
	"time"
)

// decodedTTL is how long the objects of a cluster stay decoded after a request.
const decodedTTL = time.Minute

// demandTTL returns how long a cluster has demand after a request.
func demandTTL(c Cluster) time.Duration { return max(3*c.CacheTTL, c.SessionDuration/6) }

// demand is the demand for the reports of a cluster. It is guarded by the lock of the clusterState.
type demand struct {
	// until is the end of the demand that requests have caused.
	until time.Time
	// lastRequest is the time of the last request.
	lastRequest time.Time
	// waiters is the number of requests that wait for a report, watchers that of open watches.
	waiters, watchers int
	// readersSince is when the first of the present readers came.
	readersSince time.Time
	// peersUntil is the end of the demand at other masters, as far as this one knows.
	peersUntil time.Time
}

// at reports whether there is demand for a cluster at a time, and returns when it ends. The end is zero if it
// does not end by itself. The owner of the cluster has the demand of all masters, others only their own.
func (d *demand) at(now time.Time, spec Cluster, owner bool) (exists bool, end time.Time) {
	if d.hasReaders() || owner && spec.Continuous {
		return true, time.Time{}
	}
	end = d.until
	if owner {
		end = later(end, d.peersUntil)
	}
	return now.Before(end), end
}

// endAt returns when the demand ends. Demand that does not end by itself counts as a request at this time.
func (d *demand) endAt(now time.Time, spec Cluster, owner bool) time.Time {
	exists, end := d.at(now, spec, owner)
	if exists && end.IsZero() {
		return now.Add(demandTTL(spec))
	}
	return end
}

// addReaders adds waiters and watchers, whose numbers may be negative.
func (d *demand) addReaders(waiters, watchers int, now time.Time) {
	if !d.hasReaders() {
		d.readersSince = now
	}
	d.waiters, d.watchers = d.waiters+waiters, d.watchers+watchers
}

// hasReaders reports whether somebody waits for a report or watches.
func (d *demand) hasReaders() bool { return d.waiters > 0 || d.watchers > 0 }

// recent reports whether there are readers, or were until shortly before now.
func (d *demand) recent(now time.Time) bool {
	return d.hasReaders() || now.Before(d.lastRequest.Add(decodedTTL))
}

// extend extends the demand to a time.
func (d *demand) extend(until time.Time) { d.until = later(d.until, until) }

// extendPeers extends the demand at other masters to a time.
func (d *demand) extendPeers(until time.Time) { d.peersUntil = later(d.peersUntil, until) }

// demandObserverKey is the key of the observer in a context.
type demandObserverKey struct{}

// WithDemandObserver returns a context that makes Await, Watch and RegisterDemand call f if their demand is
// what starts a session: the cluster had neither demand nor a session, and may have one. f is called with a
// lock held, so it must return immediately and must not call Sessions.
func WithDemandObserver(ctx context.Context, f func(cluster string)) context.Context {
	return context.WithValue(ctx, demandObserverKey{}, f)
}

// observeDemand is called before demand is registered. It reports whether there is demand already, and calls
// the observer of the context if there is neither demand nor a session. c.mu must be held.
func (c *clusterState) observeDemand(ctx context.Context, now time.Time) (hasDemand bool) {
	// Whether this master owns the cluster is asked only if it matters, since most requests find demand.
	if hasDemand, _ = c.demand.at(now, c.spec, false); !hasDemand {
		hasDemand, _ = c.demand.at(now, c.spec, c.owned())
	}
	if hasDemand || c.blockedReason() != "" || c.status.Session.Phase != Idle && c.status.Session.Phase != "" {
		return hasDemand
	}
	if f, ok := ctx.Value(demandObserverKey{}).(func(string)); ok {
		f(c.name)
	}
	return hasDemand
}
