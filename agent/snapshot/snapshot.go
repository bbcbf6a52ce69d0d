// Package snapshot owns what an agent knows of its cluster: the one goroutine that
// turns changes into States, counts them, gives slots, remembers what went, and
// wakes who watches. Everybody else reads immutable Versions.
//
// It does not know where facts come from, nor who they are sent to.
package snapshot

import (
	"context"
	"sync"
	"sync/atomic"

	"rollcall.dev/rollcall/api/state"
)

// Snapshot is the present state of a cluster. All methods are for any goroutine.
type Snapshot struct {
	inbox   inbox
	current atomic.Pointer[Version]

	// ledger is Run's alone.
	ledger ledger

	ready     chan struct{}
	readyOnce sync.Once

	mu          sync.Mutex
	subscribers map[*Subscription]bool
}

// New is an empty snapshot of a new epoch: 64 random bits that tell this process
// from any other. Nothing happens before Run.
func New(epoch uint64) *Snapshot {
	s := &Snapshot{
		inbox:       inbox{filled: make(chan struct{}, 1)},
		ledger:      newLedger(epoch),
		ready:       make(chan struct{}),
		subscribers: map[*Subscription]bool{},
	}
	s.current.Store(s.ledger.version)
	return s
}

// Run owns the state until ctx is done. It wakes for:
//   - a filled inbox: all that is in it becomes one Version
//   - the end of ctx
func (s *Snapshot) Run(ctx context.Context) error {
	for {
		select {
		case <-s.inbox.filled:
			s.publish(s.ledger.take(s.inbox.empty()))
		case <-ctx.Done():
			return nil
		}
	}
}

func (s *Snapshot) publish(v *Version, news bool) {
	s.current.Store(v)
	if v.synced(state.SectionNodes) && v.synced(state.SectionPods) {
		s.readyOnce.Do(func() { close(s.ready) })
	}
	if news {
		s.wake()
	}
}

// Current is the latest Version, never nil.
func (s *Snapshot) Current() *Version { return s.current.Load() }

// Ready is closed once nodes and pods have been read for the first time. Before, a
// Version is not worth sending.
func (s *Snapshot) Ready() <-chan struct{} { return s.ready }

// Subscription wakes one reader.
type Subscription struct {
	// C has a value when there is a Version that was not there before. Several make
	// one value: look at Current.
	C <-chan struct{}

	wake chan struct{}
	from *Snapshot
}

// Subscribe is woken by each Version in which objects or section errors differ. A
// reading of usage alone wakes nobody: it goes with the next tick.
func (s *Snapshot) Subscribe() *Subscription {
	wake := make(chan struct{}, 1)
	sub := &Subscription{C: wake, wake: wake, from: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribers[sub] = true
	return sub
}

// Close ends a subscription.
func (s *Subscription) Close() {
	s.from.mu.Lock()
	defer s.from.mu.Unlock()
	delete(s.from.subscribers, s)
}

func (s *Snapshot) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subscribers {
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}
