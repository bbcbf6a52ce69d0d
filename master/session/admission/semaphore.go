package admission

import (
	"context"
	"slices"
	"sync"
)

// Semaphore is a weighted semaphore with a queue. Waiters that are urgent come before others, and otherwise
// the first comes first. A waiter that needs much is not overtaken by later ones that need less.
type Semaphore struct {
	size int64

	mu      sync.Mutex
	free    int64
	waiters []*waiter
}

// waiter is a call of Acquire that waits.
type waiter struct {
	n       int64
	urgent  func() bool
	granted chan struct{} // closed when it has been admitted
}

// NewSemaphore returns a Semaphore of a size.
func NewSemaphore(size int64) *Semaphore { return &Semaphore{size: size, free: size} }

// Acquire waits for n of the size, and returns a function that releases it and may be called several times.
// More than the size counts as the size. The error is that of the context. urgent may be nil. It is called,
// with the Semaphore's lock held, whenever something becomes free.
func (s *Semaphore) Acquire(ctx context.Context, n int64, urgent func() bool) (release func(), err error) {
	n = min(n, s.size)
	s.mu.Lock()
	if len(s.waiters) == 0 && s.free >= n {
		s.free -= n
		s.mu.Unlock()
		return s.releaseFunc(n), nil
	}
	w := &waiter{n: n, urgent: urgent, granted: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	s.mu.Unlock()
	select {
	case <-w.granted:
		return s.releaseFunc(n), nil
	case <-ctx.Done():
		s.withdraw(w)
		return nil, ctx.Err()
	}
}

// Waiting returns the number of waiters.
func (s *Semaphore) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiters)
}

// Free returns what is not acquired.
func (s *Semaphore) Free() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.free
}

func (s *Semaphore) releaseFunc(n int64) func() {
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.free += n
		s.admitLocked()
	})
}

// withdraw removes a waiter whose context has ended, and releases what it was granted already.
func (s *Semaphore) withdraw(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiters, w); i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
	} else {
		s.free += w.n
	}
	s.admitLocked()
}

// admitLocked admits waiters while the next one fits. s.mu must be held.
func (s *Semaphore) admitLocked() {
	for len(s.waiters) > 0 {
		next := max(slices.IndexFunc(s.waiters, func(w *waiter) bool { return w.urgent != nil && w.urgent() }), 0)
		w := s.waiters[next]
		if w.n > s.free {
			return
		}
		s.free -= w.n
		s.waiters = slices.Delete(s.waiters, next, next+1)
		close(w.granted)
	}
}
