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
	// An error says that something of it was left out; the request is as good as before.
	add(s *heapster.Set) error
	// send sends the request. It can be sent again after an error, unless that is a
	// *refusedError or a *partialError.
	send(ctx context.Context) error
	// reset empties the request.
	reset()
	close()
}

// refusedError: the receiver will not take this request, however often it is sent.
type refusedError struct {
	words string
	// content says that it is for what is in the request: it may take a part of it.
	content bool
}

func (e *refusedError) Error() string { return e.words }

// partialError: the receiver has taken the request but for some of its records, which it will
// never take.
type partialError struct {
	words            string
	refused, records int
}

func (e *partialError) Error() string { return e.words }

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
	parts    []part
	failing  bool
}

// part is a run of Sets of one batch that are in the request.
type part struct {
	batch    *Batch
	from, to int
	// sets is how many of them are in the request.
	sets int
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
	n := 0
	for s := range b.Sets() {
		w.put(b, n, &s, true)
		if n++; w.filled >= maxRequest {
			w.deliver(drain)
			w.exporter.begin(b)
		}
	}
}

// put puts Set n of a batch into the request. What cannot be sent is left out, and counted the
// first time.
func (w *worker) put(b *Batch, n int, s *heapster.Set, first bool) {
	sent := clean(s)
	if !sent || w.exporter.add(s) != nil {
		if first {
			w.metrics.invalid.Inc()
		}
		if !sent {
			return
		}
	}
	w.filled++
	if last := len(w.parts) - 1; last >= 0 && w.parts[last].batch == b {
		w.parts[last].to = n + 1
		w.parts[last].sets++
		return
	}
	w.parts = append(w.parts, part{b, n, n + 1, 1})
}

// deliver sends the request until the receiver has it, refuses it, or there is no more
// time. Where the receiver refuses what is in it, each cluster's part is sent by itself, so
// that what one cluster reports does not keep that of others from being sent.
func (w *worker) deliver(drain context.Context) {
	parts := w.parts
	err := w.deliverOnce(drain)
	var refused *refusedError
	if !errors.As(err, &refused) {
		return
	}
	clusters := byCluster(parts)
	if !refused.content || len(clusters) < 2 {
		w.metrics.refused.Add(float64(setsOf(parts)))
		return
	}
	for _, parts := range clusters {
		for _, p := range parts {
			w.repeat(p)
		}
		if errors.As(w.deliverOnce(drain), &refused) {
			w.metrics.refused.Add(float64(setsOf(parts)))
		}
	}
}

// repeat puts a part into the request again.
func (w *worker) repeat(p part) {
	w.exporter.begin(p.batch)
	n := 0
	for s := range p.batch.Sets() {
		if n >= p.to {
			return
		}
		if n >= p.from {
			w.put(p.batch, n, &s, false)
		}
		n++
	}
}

// byCluster returns parts by their clusters, in their order.
func byCluster(parts []part) [][]part {
	var all [][]part
	index := map[string]int{}
	for _, p := range parts {
		i, ok := index[p.batch.Cluster]
		if !ok {
			i = len(all)
			index[p.batch.Cluster] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], p)
	}
	return all
}

// setsOf returns how many Sets of parts are in the request.
func setsOf(parts []part) (n int) {
	for _, p := range parts {
		n += p.sets
	}
	return n
}

// deliverOnce is deliver for a request that is not divided. It returns a *refusedError, which
// is not counted yet, or nil.
func (w *worker) deliverOnce(drain context.Context) error {
	if w.filled == 0 {
		return nil
	}
	sets := float64(w.filled)
	defer func() {
		w.filled, w.parts = 0, nil
		w.exporter.reset()
	}()
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		err := w.try(drain)
		var refused *refusedError
		var partial *partialError
		switch {
		case err == nil:
			w.metrics.sent.Add(sets)
			w.works()
			return nil
		case errors.As(err, &partial):
			lost := sets * float64(partial.refused) / float64(max(partial.records, 1))
			w.metrics.sent.Add(sets - lost)
			w.metrics.refused.Add(lost)
			w.fails(err)
			return nil
		case errors.As(err, &refused):
			w.fails(err)
			return err
		}
		w.fails(err)
		if !pause(drain, backoff(wait, err)) {
			w.metrics.shutdown.Add(sets)
			return nil
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
	return wait/2 + rand.N(wait/2) //nolint:gosec // jitter
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
