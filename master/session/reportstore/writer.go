package reportstore

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

const (
	// MaxWait limits how long Save waits for the cache.Store.
	MaxWait = 50 * time.Millisecond
	// saveInterval is the average time between two saves of a cluster, after saveBurst of them. It is the time in which
	// an agent collects changes.
	saveInterval, saveBurst = 100 * time.Millisecond, 5
)

// Writer writes the reports of one cluster, in a goroutine of its own. If the cache.Store is slower than the agent, it
// writes the latest report only.
type Writer struct {
	store   *Store
	cluster string
	rate    *rate.Limiter

	wake   chan struct{}
	closed chan struct{}
	done   chan struct{}

	mu           sync.Mutex
	next         *save // nil if there is nothing to write
	deleteStored bool  // the stored report has to be removed
	// late is set by a Save for which the cache.Store needed too long, until a report is written.
	late bool
	// superseded is the highest term that the cache.Store has refused.
	superseded uint64
}

// save is a report to write. done is closed when it was written, or could not be written because of err.
type save struct {
	report *report.Report
	done   chan struct{}
	err    error
}

// NewWriter returns the Writer of a cluster. Its Run must be called, and then Close.
func (s *Store) NewWriter(cluster string) *Writer {
	return &Writer{
		store: s, cluster: cluster, rate: rate.NewLimiter(rate.Every(saveInterval), saveBurst),
		wake: make(chan struct{}, 1), closed: make(chan struct{}), done: make(chan struct{}),
	}
}

// errLate is the error of a report that is written later.
var errLate = errors.New("the store is slow")

// Save writes a report, and returns nil if the cache.Store has it now. It waits for at most MaxWait. If the Store needs
// longer, the report is written later, unless another one replaces it, and until then Save does not wait. The error wraps
// cache.ErrSuperseded if the Store has refused the term of the report, now or before. It is called by one goroutine.
func (w *Writer) Save(r *report.Report) error {
	s := &save{report: r, done: make(chan struct{})}
	var late, superseded bool
	w.enqueue(func() {
		if superseded = r.Term <= w.superseded; !superseded {
			w.next, late = s, w.late
		}
	})
	switch {
	case superseded:
		return cache.ErrSuperseded
	case late:
		return errLate
	}
	timeout := time.NewTimer(MaxWait)
	defer timeout.Stop()
	select {
	case <-s.done:
		return s.err
	case <-timeout.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-s.done:
		return s.err
	default:
		w.late = true
		return errLate
	}
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
		pause := time.NewTimer(w.rate.Reserve().Delay())
		select {
		case <-pause.C:
		case <-w.closed:
			pause.Stop()
		}
		w.flush(ctx)
	}
}

// flush writes what is enqueued. Errors are logged at the debug level, since the cache.Store logs an outage once
// itself.
func (w *Writer) flush(ctx context.Context) {
	w.mu.Lock()
	next, deleteStored := w.next, w.deleteStored
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
	if next == nil {
		return
	}
	if next.err = s.store.Save(ctx, next.report); next.err != nil {
		s.log.Debug("cannot write the report to the store", "cluster", w.cluster, "error", next.err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(next.err, cache.ErrSuperseded) {
		w.superseded = max(w.superseded, next.report.Term)
	}
	close(next.done)
	w.late = false
}
