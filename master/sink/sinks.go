package sink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

const (
	// eventBuffer is the number of events that may wait for the batcher.
	eventBuffer = 4096
	// noUsageInterval is the interval between batches of a cluster without usage.
	noUsageInterval = time.Minute
	// drainTimeout is how long the workers send queued batches on shutdown.
	drainTimeout = 5 * time.Second
)

// Config configures New.
type Config struct {
	// URLs are the values of --sink; see docs/SINKS.md.
	URLs    []string
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Sinks sends to all sinks of a master.
type Sinks struct {
	workers []*worker
	metrics *metrics
	log     *slog.Logger
	events  chan event

	mu          sync.Mutex
	lastReports map[string]time.Time // by cluster, the time of its last report that became a batch
}

// event is a report of a cluster; the end of its session, if state is nil; or its removal
// from the registry, if removed is true.
type event struct {
	cluster string
	at      time.Time
	state   *wire.LazyState
	counts  state.Summary
	usage   bool
	removed bool
}

// New returns Sinks that send nothing until Run is called. Its errors name a URL by its
// position, since the URL may contain a secret.
func New(c Config) (*Sinks, error) {
	s := &Sinks{metrics: newMetrics(c.Metrics), log: c.Log, events: make(chan event, eventBuffer), lastReports: map[string]time.Time{}}
	var errs []error
	names := map[string]bool{}
	for i, rawURL := range c.URLs {
		spec, err := parse(rawURL)
		if err == nil && names[spec.name] {
			err = fmt.Errorf("two sinks are named %s; set name= on one of them", spec.name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--sink number %d: %w", i+1, err))
			continue
		}
		names[spec.name] = true
		s.workers = append(s.workers, newWorker(spec, s.metrics.forSink(spec.name), c.Log))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Validate returns an error if a URL in urls is invalid or two sinks have the same name.
func Validate(urls []string) error {
	_, err := New(Config{URLs: urls, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	return err
}

// Report enqueues a report. usage is true if the report has a reading of usage that no
// earlier report had. It never blocks: if the buffer is full, the report is dropped and
// counted as missed.
func (s *Sinks) Report(cluster string, st *wire.LazyState, counts state.Summary, at time.Time, usage bool) {
	if s.due(cluster, at, usage) {
		s.enqueue(event{cluster: cluster, at: at, state: st, counts: counts, usage: usage})
	}
}

// due reports whether a report becomes a batch: each with a reading of usage does, and one
// per noUsageInterval without.
func (s *Sinks) due(cluster string, at time.Time, usage bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.lastReports[cluster]; !usage && ok && at.Sub(last) < noUsageInterval {
		return false
	}
	s.lastReports[cluster] = at
	return true
}

// EndSession enqueues the end of a cluster's session. It never blocks.
func (s *Sinks) EndSession(cluster string, at time.Time) { s.enqueue(event{cluster: cluster, at: at}) }

// RemoveCluster removes a cluster that is no longer registered. It never blocks.
func (s *Sinks) RemoveCluster(cluster string) {
	s.mu.Lock()
	delete(s.lastReports, cluster)
	s.mu.Unlock()
	s.enqueue(event{cluster: cluster, removed: true})
}

func (s *Sinks) enqueue(e event) {
	select {
	case s.events <- e:
	default:
		s.metrics.missed.Inc()
	}
}

// Run sends batches until ctx ends, and then those still queued for at most drainTimeout.
// It returns an error if a sink cannot be opened.
func (s *Sinks) Run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })()
	batched, allBatched := context.WithCancel(context.WithoutCancel(ctx))
	group := errgroup.Group{}
	group.Go(func() error {
		defer allBatched()
		s.runBatcher(ctx)
		return nil
	})
	for _, w := range s.workers {
		group.Go(func() error { return w.run(batched, drain) })
	}
	return group.Wait()
}

// runBatcher makes batches of events until ctx ends and no event is left.
func (s *Sinks) runBatcher(ctx context.Context) {
	trackers := map[string]*clusterTracker{}
	for {
		select {
		case e := <-s.events:
			s.fanOut(s.batchesOf(trackers, e))
		case <-ctx.Done():
			for len(s.events) > 0 {
				s.fanOut(s.batchesOf(trackers, <-s.events))
			}
			return
		}
	}
}

// fanOut adds batches to the queues of all sinks.
func (s *Sinks) fanOut(batches []*Batch) {
	for _, b := range batches {
		for _, w := range s.workers {
			w.queue.push(b)
		}
	}
}

// batchesOf updates the tracker of an event's cluster, and returns the batches that the
// event causes.
func (s *Sinks) batchesOf(trackers map[string]*clusterTracker, e event) []*Batch {
	t := trackers[e.cluster]
	switch {
	case e.removed:
		delete(trackers, e.cluster)
		return nil
	case e.state == nil && (t == nil || t.inventory == nil):
		return nil
	case e.state == nil:
		return []*Batch{t.endSession(e.cluster, e.at)}
	case t == nil:
		t = &clusterTracker{}
		trackers[e.cluster] = t
	}
	batches, err := t.report(&e)
	if err != nil {
		s.log.Warn("a report is not sent to the sinks", "cluster", e.cluster, "error", err)
	}
	return batches
}
