package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"rollcall.dev/rollcall/master/heapster"
)

const (
	// maxRequest is after how many Sets a request is sent.
	maxRequest = 2000
	// linger is how long one waits for more that could be sent along.
	linger = time.Second
	// Back-off after a failure, doubled each time, with full jitter in its upper half.
	minBackoff = 500 * time.Millisecond
	maxBackoff = 30 * time.Second
	// maxRetryAfter bounds what a receiver may ask for.
	maxRetryAfter = 5 * time.Minute
)

// exporter speaks one protocol. It is used by one goroutine.
type exporter interface {
	// begin is told of the batch that the next Sets are of.
	begin(b *Batch)
	// add puts a Set of that batch into the request; with that of the cluster the counts.
	add(s *heapster.Set)
	// send sends the request. It can be sent again after an error, unless that is a
	// *refusedError.
	send(ctx context.Context) error
	// reset empties the request.
	reset()
	close()
}

// refusedError: the receiver will not take this request, however often it is sent.
type refusedError struct{ words string }

func (e *refusedError) Error() string { return e.words }

// laterError: the receiver says when to come again.
type laterError struct {
	error
	after time.Duration
}

func (e *laterError) Unwrap() error { return e.error }

// worker sends to one sink.
type worker struct {
	spec    *spec
	queue   *queue
	metrics gauges
	log     *slog.Logger

	exporter exporter
	filled   int // Sets in the request
	failing  bool
}

func newWorker(s *spec, m gauges, log *slog.Logger) *worker {
	return &worker{
		spec: s, metrics: m, log: log.With("sink", s.name),
		queue: newQueue(s.queue, func(sets int) { m.queued.Set(float64(sets)) }, func(sets int) { m.full.Add(float64(sets)) }),
	}
}

// run sends what is queued until told ends, behind which nothing is queued, and what is
// left then until drain ends.
func (w *worker) run(told, drain context.Context) (err error) {
	if w.exporter, err = w.spec.open(w.spec); err != nil {
		return fmt.Errorf("open sink %s: %w", w.spec.name, err)
	}
	defer w.exporter.close()
	for {
		b := w.queue.pop()
		switch {
		case b == nil && !w.wait(told, drain):
			return nil
		case b == nil:
		case drain.Err() != nil:
			w.metrics.shutdown.Add(float64(b.Len()))
		default:
			w.export(drain, b)
		}
	}
}

// wait waits for a batch, as long as what is in the request may wait, which it then
// sends. It gives false where there will be none.
func (w *worker) wait(told, drain context.Context) bool {
	if told.Err() != nil {
		w.deliver(drain)
		return false
	}
	var lingered <-chan time.Time
	if w.filled > 0 {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		lingered = timer.C
	}
	select {
	case <-w.queue.more:
	case <-lingered:
		w.deliver(drain)
	case <-told.Done():
	}
	return true
}

// export puts a batch into requests, and sends those that are full.
func (w *worker) export(drain context.Context, b *Batch) {
	w.exporter.begin(b)
	for s := range b.Sets() {
		w.exporter.add(&s)
		if w.filled++; w.filled >= maxRequest {
			w.deliver(drain)
		}
	}
}

// deliver sends the request until the receiver has it, refuses it, or there is no more
// time.
func (w *worker) deliver(drain context.Context) {
	if w.filled == 0 {
		return
	}
	sets := float64(w.filled)
	defer func() {
		w.filled = 0
		w.exporter.reset()
	}()
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		err := w.try(drain)
		var refused *refusedError
		switch {
		case err == nil:
			w.metrics.sent.Add(sets)
			w.works()
			return
		case errors.As(err, &refused):
			w.metrics.refused.Add(sets)
			w.fails(err)
			return
		}
		w.fails(err)
		if !pause(drain, backoff(wait, err)) {
			w.metrics.shutdown.Add(sets)
			return
		}
	}
}

func (w *worker) try(drain context.Context) error {
	ctx, cancel := context.WithTimeout(drain, w.spec.timeout)
	defer cancel()
	return w.exporter.send(ctx)
}

// works and fails log the turns, and not each failure.
func (w *worker) works() {
	if w.failing {
		w.failing = false
		w.log.Info("sink works again")
	}
}

func (w *worker) fails(err error) {
	w.metrics.failed.Inc()
	if !w.failing {
		w.failing = true
		w.log.Warn("sink fails: what it refuses is dropped, all else is tried again", "error", err)
	}
}

// backoff is how long to wait: what the receiver asked for, or about wait.
func backoff(wait time.Duration, err error) time.Duration {
	var later *laterError
	if errors.As(err, &later) && later.after > 0 {
		return min(later.after, maxRetryAfter)
	}
	return wait/2 + rand.N(wait/2)
}

// pause says whether there is time left after a while.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
