package session

import (
	"context"
	"sync"
	"time"
)

// Await returns a fresh report of the cluster: the current one if it is fresh, or else the next one. It
// registers demand. The error is ErrNotFound, ErrSuspended, ErrStopping, an *UnreachableError, a
// *NoReportError if the context ended first, or wraps ErrRegistryUnavailable. While there is a fresh report,
// changes of the Registry have an effect only after Sync.
func (s *Sessions) Await(ctx context.Context, name string) (*Report, error) {
	if r := s.cachedReport(ctx, name, time.Now()); r != nil {
		s.metrics.hits.Inc()
		return r, nil
	}
	c, err := s.demandCluster(name)
	if err != nil {
		return nil, err
	}
	r, changed, err := c.startWait(ctx, time.Now())
	if changed == nil {
		s.metrics.observeRequest(r, false)
		return r, err
	}
	defer c.endWait()
	for changed != nil {
		select {
		case <-changed:
			c.read(func() { r, changed, err = c.freshReport(time.Now()) })
		case <-ctx.Done():
			s.metrics.observeRequest(nil, true)
			return nil, c.noReportError(ctx)
		case <-s.stopped:
			return nil, ErrStopping
		}
	}
	s.metrics.observeRequest(r, true)
	return r, err
}

// cachedReport returns the current report and registers demand, or returns nil if there is no fresh report.
// It does not read the Registry, which would take long compared with a cached response: BenchmarkParallelHits.
func (s *Sessions) cachedReport(ctx context.Context, name string, now time.Time) *Report {
	c := s.cluster(name)
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blockedReason() != "" || c.report == nil || !c.report.Fresh(now) {
		return nil
	}
	if hadDemand := c.registerDemand(ctx, now); !hadDemand || !c.running {
		c.wakeWorker()
	}
	return c.report
}

// RegisterDemand registers demand for a cluster as Await does, without waiting for a report. The error is
// ErrNotFound, or wraps ErrRegistryUnavailable.
func (s *Sessions) RegisterDemand(ctx context.Context, name string) error {
	c, err := s.demandCluster(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if hadDemand := c.registerDemand(ctx, time.Now()); !hadDemand || !c.running || c.report == nil {
		c.wakeWorker()
	}
	return nil
}

// Watch registers demand for a cluster until release is called. The error is ErrNotFound, or wraps
// ErrRegistryUnavailable. The context is only used for the observer of WithDemandObserver.
func (s *Sessions) Watch(ctx context.Context, name string) (release func(), err error) {
	c, err := s.demandCluster(name)
	if err != nil {
		return nil, err
	}
	c.addWatcher(ctx, time.Now())
	var once sync.Once
	return func() { once.Do(c.removeWatcher) }, nil
}

// startWait registers demand and returns the result of freshReport. If it returns a channel, the caller counts
// as a waiter and must call endWait.
func (c *clusterState) startWait(ctx context.Context, now time.Time) (*Report, <-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	hadDemand := c.registerDemand(ctx, now)
	r, changed, err := c.freshReport(now)
	if changed != nil {
		c.demand.addReaders(1, 0, now)
		c.announceDemand()
	}
	if changed != nil || !hadDemand || !c.running {
		c.wakeWorker()
	}
	return r, changed, err
}

// registerDemand records a request, and reports whether the cluster had demand before. A cluster that must not
// be dialed gets no demand. c.mu must be held.
func (c *clusterState) registerDemand(ctx context.Context, now time.Time) (hadDemand bool) {
	c.demand.lastRequest = now
	hadDemand = c.observeDemand(ctx, now)
	if c.blockedReason() == "" {
		c.demand.extend(now.Add(demandTTL(c.spec)))
	}
	if !hadDemand {
		c.announceDemand()
	}
	return hadDemand
}

func (c *clusterState) endWait() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.demand.addReaders(-1, 0, time.Now())
	c.wakeWorker()
}

func (c *clusterState) addWatcher(ctx context.Context, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.observeDemand(ctx, now)
	c.demand.addReaders(0, 1, now)
	c.announceDemand()
	c.wakeWorker()
}

func (c *clusterState) removeWatcher() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.demand.addReaders(0, -1, time.Now())
	c.wakeWorker()
}

// freshReport returns a fresh report, or an error. If both are nil, it returns a channel that is closed when
// the caller has to read again. c.mu must be held.
func (c *clusterState) freshReport(now time.Time) (*Report, <-chan struct{}, error) {
	switch {
	case c.deleted:
		return nil, nil, ErrNotFound
	case c.spec.Suspended:
		return nil, nil, ErrSuspended
	case c.specFailure != nil:
		return nil, nil, &UnreachableError{Reason: c.specFailure.Reason, Err: c.specFailure, LastKnown: c.status.LastKnown}
	case c.report != nil && c.report.Fresh(now):
		return c.report, nil, nil
	case c.status.Session.Phase == Backoff:
		return nil, nil, &UnreachableError{Reason: c.lastFailure.Reason, Err: c.lastFailure, RetryAfter: max(c.backoffUntil.Sub(now), 0), LastKnown: c.status.LastKnown}
	}
	return nil, c.changed, nil
}

// noReportError returns the error of a wait whose context ended.
func (c *clusterState) noReportError(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return &NoReportError{Phase: c.status.Session.Phase, Err: ctx.Err(), LastKnown: c.status.LastKnown}
}
