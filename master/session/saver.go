package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// storeTimeout is how long the Store may take for anything.
const storeTimeout = time.Second

// saver writes one cluster's values to the Store behind the sessions' backs: the
// latest only, one at a time, and not more often than once a period.
type saver struct {
	store   cache.Store
	cluster string
	log     *slog.Logger

	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu    sync.Mutex
	next  *cache.Entry // nil: nothing to save
	drop  bool         // what is stored has to go, before next
	every time.Duration
}

func newSaver(store cache.Store, cluster string, log *slog.Logger) *saver {
	return &saver{store: store, cluster: cluster, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// offer gives an Entry to save in place of any that was not saved yet.
func (s *saver) offer(e cache.Entry, every time.Duration) {
	s.mu.Lock()
	s.next, s.every = &e, every
	s.mu.Unlock()
	signal(s.wake)
}

// forget has what is stored dropped.
func (s *saver) forget() {
	s.mu.Lock()
	s.next, s.drop = nil, true
	s.mu.Unlock()
	signal(s.wake)
}

// close saves what is left to save, and ends the saver.
func (s *saver) close() {
	close(s.quit)
	<-s.done
}

// run saves until close.
func (s *saver) run() {
	defer close(s.done)
	for {
		select {
		case <-s.wake:
		case <-s.quit:
			s.flush()
			return
		}
		pause := time.NewTimer(s.flush())
		select {
		case <-pause.C:
		case <-s.quit:
			pause.Stop()
			s.flush()
			return
		}
	}
}

// flush saves what there is, and gives how long to wait before the next time. A
// Store that fails has said so itself.
func (s *saver) flush() time.Duration {
	s.mu.Lock()
	next, drop, every := s.next, s.drop, s.every
	s.next, s.drop = nil, false
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if drop {
		if err := s.store.Drop(ctx, s.cluster); err != nil {
			s.log.Debug("the cache was not told to forget", "cluster", s.cluster, "error", err)
		}
	}
	if next != nil {
		if err := s.store.Save(ctx, s.cluster, *next); err != nil {
			s.log.Debug("the cache took no report", "cluster", s.cluster, "error", err)
		}
	}
	return every
}
