package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"rollcall.dev/rollcall/api/backoff"
	"rollcall.dev/rollcall/master/samples"
)

const (
	// maxRequest is the number of metric sets at which a request is sent.
	maxRequest = 2000
	// linger is how long a request that is not full waits for more batches.
	linger = time.Second
	// maxRetryAfter bounds the Retry-After of a receiver.
	maxRetryAfter = 5 * time.Minute
)

// retryDelay is the delay after a failure. Its upper half is random.
var retryDelay = backoff.Backoff{Min: 500 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.5}

// exporter encodes and sends requests of one protocol. It is used by one goroutine.
type exporter interface {
	// begin sets the batch of the metric sets that follow.
	begin(b *Batch)
	// add adds a metric set of that batch to the request. With the set of the cluster it adds
	// the batch's Counts. An error means that a part of the set was left out; the request
	// remains valid.
	add(s *samples.Set) error
	// send sends the request. After an error it may be called again, unless the error is a
	// *refusedError or a *partialError.
	send(ctx context.Context) error
	// reset clears the request.
	reset()
	close()
}

// refusedError means that the receiver has refused the request permanently.
type refusedError struct {
	message string
	// content is true if the receiver refused the content of the request, so that it may
	// accept a part of it.
	content bool
}

func (e *refusedError) Error() string { return e.message }

// partialError means that the receiver has accepted the request except for some records,
// which it has refused permanently.
type partialError struct {
	message          string
	refused, records int
}

func (e *partialError) Error() string { return e.message }

// retryAfterError means that the request may be retried, not before after has passed.
type retryAfterError struct {
	error
	after time.Duration
}

func (e *retryAfterError) Unwrap() error { return e.error }

// worker sends batches to one sink.
type worker struct {
	spec    *spec
	queue   *queue
	metrics sinkMetrics
	log     *slog.Logger

	exporter exporter
	filled   int // metric sets in the request
	parts    []part
	failing  bool
}

// part is a range of the metric sets of one batch. The request contains all of them but
// the invalid ones.
type part struct {
	batch    *Batch
	from, to int
	// sets is the number of them in the request.
	sets int
}

func newWorker(s *spec, m sinkMetrics, log *slog.Logger) *worker {
	return &worker{
		spec: s, metrics: m, log: log.With("sink", s.name),
		queue: newQueue(s.queue, func(sets int) { m.queued.Set(float64(sets)) }, func(sets int) { m.full.Add(float64(sets)) }),
	}
}

// run sends batches until batched ends, after which no batch is queued, and then those
// that are left until drain ends.
func (w *worker) run(batched, drain context.Context) (err error) {
	if w.exporter, err = w.spec.open(w.spec); err != nil {
		return fmt.Errorf("open sink %s: %w", w.spec.name, err)
	}
	defer w.exporter.close()
	for {
		b := w.queue.pop()
		switch {
		case b == nil && !w.wait(batched, drain):
			return nil
		case b == nil:
		case drain.Err() != nil:
			w.metrics.shutdown.Add(float64(b.Len()))
		default:
			w.export(drain, b)
		}
	}
}

// wait waits for a batch, and sends the request if none comes within linger. It returns
// false once batched has ended and the last request is sent.
func (w *worker) wait(batched, drain context.Context) bool {
	if batched.Err() != nil {
		w.deliver(drain)
		return false
	}
	var lingerC <-chan time.Time
	if w.filled > 0 {
		timer := time.NewTimer(linger)
		defer timer.Stop()
		lingerC = timer.C
	}
	select {
	case <-w.queue.more:
	case <-lingerC:
		w.deliver(drain)
	case <-batched.Done():
	}
	return true
}

// export adds a batch to requests, and sends those that are full.
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

// put adds set n of a batch to the request. It leaves out a set that cannot be sent, and
// counts it as invalid if first is true.
func (w *worker) put(b *Batch, n int, s *samples.Set, first bool) {
	valid := sanitizeSet(s)
	if !valid || w.exporter.add(s) != nil {
		if first {
			w.metrics.invalid.Inc()
		}
		if !valid {
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

// deliver sends the request until the receiver accepts or refuses it, or drain ends. If
// the receiver refuses its content, deliver sends the part of each cluster as a request of
// its own, so that one cluster cannot block the data of others.
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
			w.addAgain(p)
		}
		if errors.As(w.deliverOnce(drain), &refused) {
			w.metrics.refused.Add(float64(setsOf(parts)))
		}
	}
}

// addAgain adds a part to the request again.
func (w *worker) addAgain(p part) {
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

// byCluster groups parts by cluster and keeps their order.
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

// setsOf returns the number of metric sets of parts in the request.
func setsOf(parts []part) (n int) {
	for _, p := range parts {
		n += p.sets
	}
	return n
}

// deliverOnce sends one request, with retries. It returns a *refusedError, which the
// caller counts, or nil.
func (w *worker) deliverOnce(drain context.Context) error {
	if w.filled == 0 {
		return nil
	}
	sets := float64(w.filled)
	defer func() {
		w.filled, w.parts = 0, nil
		w.exporter.reset()
	}()
	for failures := 1; ; failures++ {
		err := w.attempt(drain)
		var refused *refusedError
		var partial *partialError
		switch {
		case err == nil:
			w.metrics.sent.Add(sets)
			w.succeeded()
			return nil
		case errors.As(err, &partial):
			lost := sets * float64(partial.refused) / float64(max(partial.records, 1))
			w.metrics.sent.Add(sets - lost)
			w.metrics.refused.Add(lost)
			w.failed(err)
			return nil
		case errors.As(err, &refused):
			w.failed(err)
			return err
		}
		w.failed(err)
		if !backoff.Sleep(drain, delayAfter(err, failures)) {
			w.metrics.shutdown.Add(sets)
			return nil
		}
	}
}

func (w *worker) attempt(drain context.Context) error {
	ctx, cancel := context.WithTimeout(drain, w.spec.timeout)
	defer cancel()
	return w.exporter.send(ctx)
}

// succeeded logs the first success after a failure.
func (w *worker) succeeded() {
	if w.failing {
		w.failing = false
		w.log.Info("sink has recovered")
	}
}

// failed counts a failure, and logs the first one after a success.
func (w *worker) failed(err error) {
	w.metrics.failed.Inc()
	if !w.failing {
		w.failing = true
		w.log.Warn("request to sink failed; refused data is dropped, everything else is retried", "error", err)
	}
}

// delayAfter returns how long to wait after a failure: the receiver's Retry-After, up to
// maxRetryAfter, or that of retryDelay.
func delayAfter(err error, failures int) time.Duration {
	var retry *retryAfterError
	if errors.As(err, &retry) && retry.after > 0 {
		return min(retry.after, maxRetryAfter)
	}
	return retryDelay.Delay(failures, rand.Float64()) //nolint:gosec // jitter
}
