package snapshot

import (
	"sync"

	"rollcall.dev/rollcall/api/state"
)

// coalescingQueue collects updates until Run drains it. Writers never block. It keeps the
// latest update of each key only, so it is never larger than the cluster.
type coalescingQueue struct {
	// nonEmpty has a value while the queue may hold updates.
	nonEmpty chan struct{}

	mu    sync.Mutex
	batch batch
}

// batch holds the updates since the last drain, the latest of each key.
type batch struct {
	// changes maps each key to its new object, or to nil if the object was removed.
	changes map[state.Key]state.Object
	// reading is the latest reading of usage, or nil if there was none.
	reading  state.Reading
	sections map[state.SectionName]state.SectionStatus
}

// Update enqueues changed and removed objects. Objects that equal the current ones are
// dropped later, by Run. The caller must not modify the objects afterwards.
func (s *Store) Update(c state.Changes) {
	if len(c.Upserts)+len(c.Removes) == 0 {
		return
	}
	s.queue.put(func(b *batch) {
		if b.changes == nil {
			b.changes = make(map[state.Key]state.Object, len(c.Upserts)+len(c.Removes))
		}
		for _, k := range c.Removes {
			b.changes[k] = nil
		}
		for _, o := range c.Upserts {
			b.changes[o.Key()] = o
		}
	})
}

// SetUsage enqueues a reading of metrics.k8s.io. The usage of objects that are not in it
// becomes unknown.
func (s *Store) SetUsage(reading state.Reading) {
	s.queue.put(func(b *batch) {
		if b.reading = reading; reading == nil {
			b.reading = state.Reading{}
		}
	})
}

// SetSection enqueues the status of a section. A source calls it after Update with the
// objects that the status is about.
func (s *Store) SetSection(name state.SectionName, status state.SectionStatus) {
	s.queue.put(func(b *batch) {
		if b.sections == nil {
			b.sections = map[state.SectionName]state.SectionStatus{}
		}
		b.sections[name] = status
	})
}

// put applies edit to the pending batch and wakes Run.
func (q *coalescingQueue) put(edit func(*batch)) {
	q.mu.Lock()
	edit(&q.batch)
	q.mu.Unlock()
	select {
	case q.nonEmpty <- struct{}{}:
	default:
	}
}

// Pending returns the number of updates that are in no Version yet: objects by key,
// sections, and one for a reading of usage.
func (s *Store) Pending() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	b := &s.queue.batch
	n := len(b.changes) + len(b.sections)
	if b.reading != nil {
		n++
	}
	return n
}

// drain returns all updates and leaves the queue empty.
func (q *coalescingQueue) drain() batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.batch
	q.batch = batch{}
	return b
}
