// Package snapshot owns the agent's state of its cluster. One goroutine turns changes
// into States: it numbers the changes (seq), allocates the indexes of objects in Usage
// (slots), records removed objects (tombstones), and notifies subscribers. All other
// goroutines read immutable Versions.
//
// The package depends neither on the sources of the facts nor on the sessions with masters.
package snapshot

import (
	"context"
	"sync"
	"sync/atomic"

	"rollcall.dev/rollcall/api/state"
)

// Store holds the current state of a cluster. Its methods are safe for concurrent use.
type Store struct {
	queue   coalescingQueue
	current atomic.Pointer[Version]

	// versioner is used by Run only.
	versioner versioner

	ready     chan struct{}
	readyOnce sync.Once

	mu          sync.Mutex
	subscribers map[*Subscription]bool
}

// New returns an empty Store that is idle until Run is called. The epoch is 64 random
// bits that distinguish this agent process from any other.
func New(epoch uint64) *Store {
	s := &Store{
		queue:       coalescingQueue{nonEmpty: make(chan struct{}, 1)},
		versioner:   newVersioner(epoch),
		ready:       make(chan struct{}),
		subscribers: map[*Subscription]bool{},
	}
	s.current.Store(s.versioner.version)
	return s
}

// Run owns the state until ctx is done. Its select has these cases:
//   - the queue is not empty: everything in it becomes one Version
//   - ctx is done
func (s *Store) Run(ctx context.Context) error {
	for {
		select {
		case <-s.queue.nonEmpty:
			s.publish(s.versioner.apply(s.queue.drain()))
		case <-ctx.Done():
			return nil
		}
	}
}

// publish makes v the current Version.
func (s *Store) publish(v *Version, changed bool) {
	s.current.Store(v)
	if v.synced(state.SectionNodes) && v.synced(state.SectionPods) {
		s.readyOnce.Do(func() { close(s.ready) })
	}
	if changed {
		s.notify()
	}
}

// Current returns the latest Version. It is never nil.
func (s *Store) Current() *Version { return s.current.Load() }

// Ready returns a channel that is closed once nodes and pods have been listed for the
// first time. An earlier Version is incomplete and is not sent.
func (s *Store) Ready() <-chan struct{} { return s.ready }

// Subscription notifies one reader of new Versions.
type Subscription struct {
	// C has a value if Current has changed since the last receive. Several changes result in
	// one value.
	C <-chan struct{}

	notify chan struct{} // the same channel as C, for sending
	store  *Store
}

// Subscribe returns a Subscription to Versions with changed objects or section errors. A
// Version with only a new reading of usage does not notify, because sessions send usage once a
// period.
func (s *Store) Subscribe() *Subscription {
	notify := make(chan struct{}, 1)
	sub := &Subscription{C: notify, notify: notify, store: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers[sub] = true
	return sub
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	delete(s.store.subscribers, s)
}

// notify notifies all subscribers.
func (s *Store) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscribers {
		select {
		case sub.notify <- struct{}{}:
		default:
		}
	}
}
