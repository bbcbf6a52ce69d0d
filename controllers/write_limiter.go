package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// writeLimiter limits the status writes of each object of one kind. The shared writeQueue limits
// those of all objects. It is safe for concurrent use.
type writeLimiter struct {
	kind  string
	burst int
	every time.Duration
	queue *writeQueue

	mu sync.Mutex
	// Guarded by mu:
	limits map[string]*rate.Limiter
}

func newWriteLimiter(kind string, burst int, queue *writeQueue) *writeLimiter {
	return &writeLimiter{kind: kind, burst: burst, every: objectWriteInterval, queue: queue, limits: map[string]*rate.Limiter{}}
}

// wait returns zero if an object may be written now, which counts as a write, else how long to
// wait.
func (l *writeLimiter) wait(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := l.limits[name]
	if limit == nil {
		limit = rate.NewLimiter(rate.Every(l.every), l.burst)
		l.limits[name] = limit
	}
	reserved := limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		wait = l.queue.wait(l.kind, name, now)
	}
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// waitInQueue is like wait without the limit per object.
func (l *writeLimiter) waitInQueue(name string, now time.Time) time.Duration {
	return l.queue.wait(l.kind, name, now)
}

// cancel removes the reservation of an object that need not be written anymore.
func (l *writeLimiter) cancel(name string) { l.queue.cancel(l.kind, name) }

// forget removes a deleted object.
func (l *writeLimiter) forget(name string) {
	l.cancel(name)
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.limits, name)
}

// writeQueue gives writes a minimum interval, in the order in which they were requested.
// It is safe for concurrent use.
type writeQueue struct {
	every time.Duration
	// masters returns the number of masters that share the writes. If it is nil, there is one.
	masters func() int

	mu sync.Mutex
	// Guarded by mu: next is the first time that is not reserved, reserved has the times of objects
	// that wait.
	next     time.Time
	reserved map[object]time.Time
}

// object identifies an object of any kind.
type object struct{ kind, name string }

func newWriteQueue(every time.Duration) *writeQueue {
	return &writeQueue{every: every, reserved: map[object]time.Time{}}
}

// wait returns zero if an object may be written now, and removes its reservation. Otherwise it
// reserves a time, if the object has none, and returns how long to wait until then.
func (q *writeQueue) wait(kind, name string, now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	o := object{kind, name}
	at, ok := q.reserved[o]
	if !ok {
		at = now
		if q.next.After(now) {
			at = q.next
		}
		q.next = at.Add(q.interval())
	}
	if at.After(now) {
		q.reserved[o] = at
		return at.Sub(now)
	}
	delete(q.reserved, o)
	return 0
}

// interval returns the minimum interval of this master's writes.
func (q *writeQueue) interval() time.Duration {
	if q.masters == nil {
		return q.every
	}
	return q.every * time.Duration(max(1, q.masters()))
}

// cancel removes the reservation of an object. Its time stays unused, since it passes before another
// object could use it.
func (q *writeQueue) cancel(kind, name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.reserved, object{kind, name})
}

// reportingClusters has the clusters that report. It is safe for concurrent use.
type reportingClusters struct {
	mu sync.Mutex
	// Guarded by mu:
	clusters map[string]bool
}

// set records whether a cluster reports.
func (r *reportingClusters) set(name string, reports bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !reports:
		delete(r.clusters, name)
	case r.clusters == nil:
		r.clusters = map[string]bool{name: true}
	default:
		r.clusters[name] = true
	}
}

// interval returns the age at which a stored summary is replaced: the time in which every
// reporting cluster is written once, if a write takes every.
func (r *reportingClusters) interval(every time.Duration) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(objectWriteInterval, time.Duration(len(r.clusters))*every)
}
