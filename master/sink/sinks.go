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
)

const (
	// intake is how many reports may wait for the clerk.
	intake = 4096
	// without is how long a cluster is without a batch where no usage is read there.
	without = time.Minute
	// drainTimeout is how long what is queued may be sent when the master ends.
	drainTimeout = 5 * time.Second
)

// Config is what New needs.
type Config struct {
	// URLs say what to send to, and how; see docs/SINKS.md.
	URLs    []string
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Sinks are all sinks of a master.
type Sinks struct {
	workers []*worker
	metrics *metrics
	news    chan news

	mu   sync.Mutex
	told map[string]time.Time // the last report of each cluster that became a batch
}

// news is what the clerk is told: of a report, of a session's end where state is nil,
// or that a cluster is forgotten.
type news struct {
	cluster   string
	at        time.Time
	state     *state.State
	counts    state.Summary
	usage     bool
	forgotten bool
}

// New makes the sinks; it starts nothing. Its errors tell which URL is to blame by its
// place, since there may be a secret in it that should not be there.
func New(c Config) (*Sinks, error) {
	s := &Sinks{metrics: newMetrics(c.Metrics), news: make(chan news, intake), told: map[string]time.Time{}}
	var errs []error
	names := map[string]bool{}
	for i, raw := range c.URLs {
		spec, err := parse(raw)
		if err == nil && names[spec.name] {
			err = fmt.Errorf("there is a sink %s already; give one of them another name=", spec.name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--sink number %d: %w", i+1, err))
			continue
		}
		names[spec.name] = true
		s.workers = append(s.workers, newWorker(spec, s.metrics.of(spec.name), c.Log))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Validate says what is wrong with the URLs of sinks.
func Validate(urls []string) error {
	_, err := New(Config{URLs: urls, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	return err
}

// Reported tells of a report; usage says that it has a reading of usage that none
// before it had. It never waits.
func (s *Sinks) Reported(cluster string, st *state.State, counts state.Summary, at time.Time, usage bool) {
	if s.due(cluster, at, usage) {
		s.tell(news{cluster: cluster, at: at, state: st, counts: counts, usage: usage})
	}
}

// due says that a report is to become a batch: one with a reading, and now and then
// one without where there are no readings.
func (s *Sinks) due(cluster string, at time.Time, usage bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.told[cluster]; !usage && ok && at.Sub(last) < without {
		return false
	}
	s.told[cluster] = at
	return true
}

// Ended tells that a cluster's session ended.
func (s *Sinks) Ended(cluster string, at time.Time) { s.tell(news{cluster: cluster, at: at}) }

// Forgotten tells that a cluster is not registered any more.
func (s *Sinks) Forgotten(cluster string) {
	s.mu.Lock()
	delete(s.told, cluster)
	s.mu.Unlock()
	s.tell(news{cluster: cluster, forgotten: true})
}

func (s *Sinks) tell(n news) {
	select {
	case s.news <- n:
	default:
		s.metrics.missed.Inc()
	}
}

// Run sends until ctx ends, then what is left for at most 5 s, and returns nil.
func (s *Sinks) Run(ctx context.Context) error {
	drain, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTimeout, cancel) })()
	told, allTold := context.WithCancel(context.WithoutCancel(ctx))
	all := errgroup.Group{}
	all.Go(func() error {
		defer allTold()
		s.clerk(ctx)
		return nil
	})
	for _, w := range s.workers {
		all.Go(func() error { return w.run(told, drain) })
	}
	return all.Wait()
}

// clerk makes batches of what comes, until ctx ends, and of what has come by then.
func (s *Sinks) clerk(ctx context.Context) {
	ledgers := map[string]*ledger{}
	for {
		select {
		case n := <-s.news:
			s.spread(record(ledgers, n))
		case <-ctx.Done():
			for len(s.news) > 0 {
				s.spread(record(ledgers, <-s.news))
			}
			return
		}
	}
}

// spread gives batches to all sinks.
func (s *Sinks) spread(batches []*Batch) {
	for _, b := range batches {
		for _, w := range s.workers {
			w.queue.push(b)
		}
	}
}

// record takes news into the ledgers, and gives the batches that are made of it.
func record(ledgers map[string]*ledger, n news) []*Batch {
	l := ledgers[n.cluster]
	switch {
	case n.forgotten:
		delete(ledgers, n.cluster)
		return nil
	case n.state == nil && (l == nil || l.roster == nil):
		return nil
	case n.state == nil:
		return []*Batch{l.end(n.cluster, n.at)}
	case l == nil:
		l = &ledger{}
		ledgers[n.cluster] = l
	}
	return l.take(&n)
}
