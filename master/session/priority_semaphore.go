package session

import (
	"context"
	"slices"
	"sync"
)

// maxHandshakes is how many sessions may be between their dial and their first report. Otherwise the first
// snapshots of 1,000 agents would be in memory at the same time.
const maxHandshakes = 64

// prioritySemaphore is a semaphore with a queue. Waiters that are urgent come before others, and otherwise
// the first comes first.
type prioritySemaphore struct {
	mu      sync.Mutex
	free    int
	waiters []*waiter
}

// waiter is a call of acquire that waits for a slot.
type waiter struct {
	urgent  func() bool
	granted chan struct{} // closed when it has a slot
}

func newPrioritySemaphore(slots int) *prioritySemaphore { return &prioritySemaphore{free: slots} }

// acquire waits for a slot, and returns a function that releases it. The error is that of the context. urgent
// is called, with the semaphore's lock held, whenever a slot becomes free.
func (s *prioritySemaphore) acquire(ctx context.Context, urgent func() bool) (release func(), err error) {
	s.mu.Lock()
	if s.free > 0 {
		s.free--
		s.mu.Unlock()
		return s.release, nil
	}
	w := &waiter{urgent: urgent, granted: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	select {
	case <-w.granted:
		return s.release, nil
	case <-ctx.Done():
		s.withdraw(w)
		return nil, ctx.Err()
	}
}

// waiting returns the number of waiters.
func (s *prioritySemaphore) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiters)
}

// withdraw removes a waiter whose context has ended. If it has a slot already, withdraw releases the slot.
func (s *prioritySemaphore) withdraw(w *waiter) {
	s.mu.Lock()
	i := slices.Index(s.waiters, w)
	if i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 {
		s.release()
	}
}

// release passes the slot to the first urgent waiter, or else to the first waiter, or frees it.
func (s *prioritySemaphore) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiters) == 0 {
		s.free++
		return
	}
	next := max(slices.IndexFunc(s.waiters, func(w *waiter) bool { return w.urgent() }), 0)
	close(s.waiters[next].granted)
	s.waiters = slices.Delete(s.waiters, next, next+1)
}
