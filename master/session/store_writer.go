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

// storeWriter writes one cluster's values to the Store behind the sessions' backs: the
// latest only, one at a time, and not more often than once a period.
type storeWriter struct {
	store   cache.Store
	cluster string
	log     *slog.Logger

	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu         sync.Mutex
	next       *cache.Entry // nil: nothing to save
	dropStored bool         // what is stored has to go, before next
	interval   time.Duration
}

func newStoreWriter(store cache.Store, cluster string, log *slog.Logger) *storeWriter {
	return &storeWriter{store: store, cluster: cluster, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// enqueue gives an Entry to save in place of any that was not saved yet.
func (w *storeWriter) enqueue(e cache.Entry, interval time.Duration) {
	w.mu.Lock()
	w.next, w.interval = &e, interval
	w.mu.Unlock()
	signal(w.wake)
}

// drop has what is stored dropped.
func (w *storeWriter) drop() {
	w.mu.Lock()
	w.next, w.dropStored = nil, true
	w.mu.Unlock()
	signal(w.wake)
}

// close saves what is left to save, and ends the saver.
func (w *storeWriter) close() {
	close(w.quit)
	<-w.done
}

// run saves until close.
func (w *storeWriter) run() {
	defer close(w.done)
	for {
		select {
		case <-w.wake:
		case <-w.quit:
			w.flush()
			return
		}
		pause := time.NewTimer(w.flush())
		select {
		case <-pause.C:
		case <-w.quit:
			pause.Stop()
			w.flush()
			return
		}
	}
}

// flush saves what there is, and gives how long to wait before the next time. A
// Store that fails has said so itself.
func (w *storeWriter) flush() time.Duration {
	w.mu.Lock()
	next, dropStored, interval := w.next, w.dropStored, w.interval
	w.next, w.dropStored = nil, false
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if dropStored {
		if err := w.store.Delete(ctx, w.cluster); err != nil {
			w.log.Debug("the cache was not told to forget", "cluster", w.cluster, "error", err)
		}
	}
	if next != nil {
		if err := w.store.Save(ctx, w.cluster, *next); err != nil {
			w.log.Debug("the cache took no report", "cluster", w.cluster, "error", err)
		}
	}
	return interval
}
