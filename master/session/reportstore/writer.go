package reportstore

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/report"
)

// Writer writes the reports of one cluster, in a goroutine of its own. It writes the latest report only, at
// most once in each interval.
type Writer struct {
	store   *Store
	cluster string

	wake   chan struct{}
	closed chan struct{}
	done   chan struct{}

	mu           sync.Mutex
	next         *report.Report // nil if there is nothing to write
	deleteStored bool           // the stored report has to be removed
	interval     time.Duration
}

// NewWriter returns the Writer of a cluster. Its Run must be called, and then Close.
func (s *Store) NewWriter(cluster string) *Writer {
	return &Writer{store: s, cluster: cluster, wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{})}
}

// Save sets the report that is written next. It replaces a report that was not written yet.
func (w *Writer) Save(r *report.Report, interval time.Duration) {
	w.enqueue(func() { w.next, w.interval = r, interval })
}

// Delete discards the report that was not written yet, and makes the goroutine delete the stored one.
func (w *Writer) Delete() {
	w.enqueue(func() { w.next, w.deleteStored = nil, true })
}

func (w *Writer) enqueue(change func()) {
	w.mu.Lock()
	change()
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Close writes the last report and ends Run.
func (w *Writer) Close() {
	close(w.closed)
	<-w.done
}

// Run writes reports until Close is called. It goes on when ctx ends, since the last report of a process is
// written while it shuts down.
func (w *Writer) Run(ctx context.Context) {
	defer close(w.done)
	ctx = context.WithoutCancel(ctx)
	for {
		select {
		case <-w.wake:
		case <-w.closed:
			w.flush(ctx)
			return
		}
		pause := time.NewTimer(w.flush(ctx))
		select {
		case <-pause.C:
		case <-w.closed:
			pause.Stop()
			w.flush(ctx)
			return
		}
	}
}

// flush writes what is enqueued, and returns how long to wait before the next call. Errors are logged at the
// debug level, since the cache.Store logs an outage once itself.
func (w *Writer) flush(ctx context.Context) time.Duration {
	w.mu.Lock()
	next, deleteStored, interval := w.next, w.deleteStored, w.interval
	w.next, w.deleteStored = nil, false
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	s := w.store
	if deleteStored {
		if err := s.store.Delete(ctx, w.cluster); err != nil {
			s.log.Debug("cannot delete the report from the store", "cluster", w.cluster, "error", err)
		}
	}
	if next != nil {
		if err := s.store.Save(ctx, next); err != nil {
			s.log.Debug("cannot write the report to the store", "cluster", w.cluster, "error", err)
		}
	}
	return interval
}
