package session

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// storeTimeout limits each call of the Store.
const storeTimeout = time.Second

// storeWriter writes a cluster's reports to the Store, in a goroutine of its own. It writes the latest report
// only, at most once in each interval.
type storeWriter struct {
	store   cache.Store
	cluster string
	log     *slog.Logger

	wake chan struct{}
	quit chan struct{}
	done chan struct{}

	mu           sync.Mutex
	next         *cache.Entry // nil if there is nothing to write
	deleteStored bool         // the stored entry has to be removed
	interval     time.Duration
}

func newStoreWriter(store cache.Store, cluster string, log *slog.Logger) *storeWriter {
	return &storeWriter{store: store, cluster: cluster, log: log, wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
}

// enqueue sets the entry that is written next. It replaces an entry that was not written yet.
func (w *storeWriter) enqueue(e cache.Entry, interval time.Duration) {
	w.mu.Lock()
	w.next, w.interval = &e, interval
	w.mu.Unlock()
	signal(w.wake)
}

// enqueueDelete discards the entry that was not written yet, and makes the goroutine delete the stored one.
func (w *storeWriter) enqueueDelete() {
	w.mu.Lock()
	w.next, w.deleteStored = nil, true
	w.mu.Unlock()
	signal(w.wake)
}

// close writes the last entry and ends the goroutine.
func (w *storeWriter) close() {
	close(w.quit)
	<-w.done
}

// run writes entries until close is called.
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

// flush writes what is enqueued, and returns how long to wait before the next call. Errors are logged at the
// debug level, since the Store logs an outage once itself.
func (w *storeWriter) flush() time.Duration {
	w.mu.Lock()
	next, deleteStored, interval := w.next, w.deleteStored, w.interval
	w.next, w.deleteStored = nil, false
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	if deleteStored {
		if err := w.store.Delete(ctx, w.cluster); err != nil {
			w.log.Debug("cannot delete the report from the store", "cluster", w.cluster, "error", err)
		}
	}
	if next != nil {
		if err := w.store.Save(ctx, w.cluster, *next); err != nil {
			w.log.Debug("cannot write the report to the store", "cluster", w.cluster, "error", err)
		}
	}
	return interval
}
