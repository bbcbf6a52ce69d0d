package sink

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/samples"
)

// receiver is an exporter whose receiver responds as the test defines.
type receiver struct {
	respond      func(ctx context.Context, sets int) error
	filled       int
	got          []int // metric sets of each accepted request
	requestTimes []time.Time
	closed       bool
}

func (r *receiver) begin(*Batch) {}
func (r *receiver) add(*samples.Set) error {
	r.filled++
	return nil
}
func (r *receiver) reset() { r.filled = 0 }
func (r *receiver) close() { r.closed = true }
func (r *receiver) send(ctx context.Context) error {
	r.requestTimes = append(r.requestTimes, time.Now())
	if r.respond != nil {
		if err := r.respond(ctx, r.filled); err != nil {
			return err
		}
	}
	r.got = append(r.got, r.filled)
	return nil
}

// run runs sinks with a receiver until the script returns, and returns the receiver and
// the metrics. It must be called within synctest.Test.
func run(t *testing.T, queue int, script func(s *Sinks, r *receiver)) (*receiver, map[string]float64) {
	t.Helper()
	r, registry := &receiver{}, prometheus.NewRegistry()
	s, err := New(Config{Log: quiet, Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	spec := &spec{name: "fake", queue: queue, timeout: 10 * time.Second, open: func(*spec) (exporter, error) { return r, nil }}
	s.workers = []*worker{newWorker(spec, s.metrics.forSink("fake"), quiet)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	script(s, r)
	cancel()
	begin := time.Now()
	if err := <-done; err != nil {
		t.Errorf("Run: got error %v, want none", err)
	}
	if took := time.Since(begin); took > drainTimeout {
		t.Errorf("got a shutdown of %s, want at most %s", took, drainTimeout)
	}
	if !r.closed {
		t.Error("the exporter was not closed")
	}
	return r, gather(t, registry)
}

// enqueue enqueues n reports of a cluster with five metric sets: node, container, pod,
// namespace and cluster.
func enqueue(t *testing.T, s *Sinks, n int) {
	m := newMember(t, 1, "web")
	for i := range n {
		r := m.report("c", 15*i+1, 100)
		s.Report(r.cluster, r.state, r.counts, r.at, true)
	}
}

func want(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s: got %g, want %g (all: %v)", name, got[name], v, maps.Collect(maps.All(got)))
		}
	}
}

func TestBatchesAreCombinedWithinLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, metrics := run(t, 1000, func(s *Sinks, r *receiver) {
			enqueue(t, s, 3)
			<-time.After(linger + time.Millisecond)
			synctest.Wait()
			enqueue(t, s, 1)
		})
		if len(r.got) != 2 || r.got[0] != 15 || r.got[1] != 5 {
			t.Errorf("got requests of %v metric sets, want 15 and 5", r.got)
		}
		want(t, metrics, map[string]float64{"sent_sets_total": 20, "queued_sets": 0, "failed_requests_total": 0, "dropped_sets_total full": 0})
	})
}

func TestFullRequestsAreSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := run(t, 10_000, func(s *Sinks, _ *receiver) { enqueue(t, s, 900) })
		if len(r.got) != 3 || r.got[0] != maxRequest || r.got[1] != maxRequest || r.got[2] != 500 {
			t.Errorf("got requests of %v metric sets, want 2000, 2000 and 500", r.got)
		}
	})
}

func TestReceiverThatRecoversGetsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := atomic.Bool{}
		down.Store(true)
		r, metrics := run(t, 100, func(s *Sinks, r *receiver) {
			r.respond = func(context.Context, int) error {
				if down.Load() {
					return errors.New("connection refused")
				}
				return nil
			}
			enqueue(t, s, 1)
			<-time.After(5 * time.Minute)
			enqueue(t, s, 50)
			synctest.Wait()
			down.Store(false)
			<-time.After(retryDelay.Max + linger)
		})
		if len(r.got) != 2 || r.got[0] != 5 || r.got[1] != 100 {
			t.Errorf("got requests of %v metric sets, want the first of 5 and the 100 that fit into the queue", r.got)
		}
		want(t, metrics, map[string]float64{"sent_sets_total": 105, "dropped_sets_total full": 150})
		for i := 2; i < 12; i++ {
			if gap := r.requestTimes[i].Sub(r.requestTimes[i-1]); gap < retryDelay.Min/2 || gap > retryDelay.Max {
				t.Errorf("got attempt %d %s after the previous one, want %s to %s", i, gap, retryDelay.Min/2, retryDelay.Max)
			}
		}
	})
}

func TestRefusedRequestIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, metrics := run(t, 1000, func(s *Sinks, r *receiver) {
			r.respond = func(context.Context, int) error {
				if len(r.requestTimes) == 1 {
					return &refusedError{message: "400 Bad Request", content: true}
				}
				return nil
			}
			enqueue(t, s, 1)
			<-time.After(2 * linger)
			enqueue(t, s, 2)
			<-time.After(2 * linger)
		})
		if len(r.requestTimes) != 2 {
			t.Errorf("got %d requests, want 2", len(r.requestTimes))
		}
		want(t, metrics, map[string]float64{"sent_sets_total": 10, "dropped_sets_total refused": 5, "failed_requests_total": 1})
	})
}

func TestSlowReceiverTimesOutAndBlocksNoReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, metrics := run(t, 1000, func(s *Sinks, r *receiver) {
			r.respond = func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return ctx.Err()
			}
			begin := time.Now()
			enqueue(t, s, 2*eventBuffer)
			if took := time.Since(begin); took != 0 {
				t.Errorf("enqueue: got a duration of %s, want 0", took)
			}
			<-time.After(2 * time.Minute)
		})
		if metrics["failed_requests_total"] < 4 || metrics["sent_sets_total"] != 0 {
			t.Errorf("got metrics %v, want timeouts and nothing sent", metrics)
		}
		lost := metrics["dropped_sets_total full"] + metrics["dropped_sets_total shutdown"] + 5*metrics["missed_reports_total"]
		if lost != 5*2*eventBuffer {
			t.Errorf("got %g metric sets counted as lost, want all of %d", lost, 5*2*eventBuffer)
		}
	})
}

func TestRetryAfterDelaysTheNextRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := run(t, 1000, func(s *Sinks, r *receiver) {
			r.respond = func(context.Context, int) error {
				if len(r.requestTimes) == 1 {
					return &retryAfterError{errors.New("429 Too Many Requests"), 90 * time.Second}
				}
				return nil
			}
			enqueue(t, s, 1)
			<-time.After(2 * time.Minute)
		})
		if gap := r.requestTimes[1].Sub(r.requestTimes[0]); gap != 90*time.Second {
			t.Errorf("got the second request after %s, want 1m30s", gap)
		}
	})
}

func TestQueuedBatchesAreSentOnShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, metrics := run(t, 100_000, func(s *Sinks, r *receiver) {
			enqueue(t, s, 1000)
			synctest.Wait()
		})
		if sent := metrics["sent_sets_total"]; sent != 5000 {
			t.Errorf("got %g metric sets sent in %v, want 5000", sent, r.got)
		}
	})
}

func TestOnlyFirstFailureAndRecoveryAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		r := &receiver{}
		s := &spec{name: "fake", queue: 100, timeout: time.Second, open: func(*spec) (exporter, error) { return r, nil }}
		w := newWorker(s, newMetrics(prometheus.NewRegistry()).forSink("fake"), slog.New(slog.NewTextHandler(&log, nil)))
		r.respond = func(context.Context, int) error {
			if len(r.requestTimes) < 5 {
				return errors.New("no route to host")
			}
			return nil
		}
		w.exporter, w.filled = r, 1
		w.deliver(t.Context())
		if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "has recovered") {
			t.Errorf("got %d log lines, want 2:\n%s", lines, log.String())
		}
	})
}
