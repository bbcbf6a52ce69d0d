package session

import (
	"context"
	"slices"
	"sync"
)

// maxHandshakes is how many sessions begin at once: from the dial to the first report,
// so that what 1,000 agents send first does not lie in wait at the same time.
const maxHandshakes = 64

// prioritySemaphore lets so many through at once; the others wait, those first that somebody
// waits for.
type prioritySemaphore struct {
	mu      sync.Mutex
	free    int
	waiters []*waiter
}

// waiter is a place in the queue.
type waiter struct {
	urgent  func() bool
	granted chan struct{} // closed when it is its turn
}

func newPrioritySemaphore(slots int) *prioritySemaphore { return &prioritySemaphore{free: slots} }

// acquire waits for a place, and gives what has to be called to leave it. Urgent is
// asked whenever a place becomes free.
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

// withdraw removes a waiter from the queue, or releases its slot if it was just granted.
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

// release hands a place to the first who is urgent, else to the first.
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
