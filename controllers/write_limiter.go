package controllers

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// writeLimiter limits the status writes of each object of a kind, and all of them by the shared
// writeQueue. It is safe for concurrent use.
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
func (p *writeLimiter) wait(name string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit := p.limits[name]
	if limit == nil {
		limit = rate.NewLimiter(rate.Every(p.every), p.burst)
		p.limits[name] = limit
	}
	reserved := limit.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		wait = p.queue.wait(p.kind, name, now)
	}
	if wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// waitInQueue is like wait without the limit per object.
func (p *writeLimiter) waitInQueue(name string, now time.Time) time.Duration {
	return p.queue.wait(p.kind, name, now)
}

// cancel releases the reserved slot of an object that need not be written anymore.
func (p *writeLimiter) cancel(name string) { p.queue.cancel(p.kind, name) }

// forget removes a deleted object.
func (p *writeLimiter) forget(name string) {
	p.cancel(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.limits, name)
}

// writeQueue spaces all writes by a minimum interval, in the order in which they were requested.
// It is safe for concurrent use.
type writeQueue struct {
	every time.Duration

	mu sync.Mutex
	// Guarded by mu: next is the first free slot, slots has the slots reserved for objects.
	next  time.Time
	slots map[object]time.Time
}

// object identifies an object of any kind.
type object struct{ kind, name string }

func newWriteQueue(every time.Duration) *writeQueue {
	return &writeQueue{every: every, slots: map[object]time.Time{}}
}

// wait returns zero if an object may be written now, and releases its slot. Otherwise it reserves
// a slot and returns the time until it.
func (t *writeQueue) wait(kind, name string, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := object{kind, name}
	slot, has := t.slots[o]
	if !has {
		slot = now
		if t.next.After(now) {
			slot = t.next
		}
		t.next = slot.Add(t.every)
	}
	if slot.After(now) {
		t.slots[o] = slot
		return slot.Sub(now)
	}
	delete(t.slots, o)
	return 0
}

// cancel releases a slot. The slot stays unused, as it passes sooner than another object could use
// it.
func (t *writeQueue) cancel(kind, name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.slots, object{kind, name})
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
// reporting cluster is written once.
func (r *reportingClusters) interval() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(objectWriteInterval, time.Duration(len(r.clusters))*minWriteInterval)
}
