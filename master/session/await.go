package session

import (
	"context"
	"sync"
	"time"
)

// Await returns a fresh report of the cluster: the cached one if it is fresh, else the next
// one. It registers demand. The error is ErrNotFound, ErrSuspended, ErrStopping, an
// *UnreachableError, or a *NoReportError if the context ended first. If there is a cached
// report, the Registry's entry is the one of the last Sync.
func (s *Sessions) Await(ctx context.Context, name string) (*Report, error) {
	if v := s.hit(name, time.Now()); v != nil {
		s.metrics.hits.Inc()
		return v, nil
	}
	m := s.lookUp(name)
	if m == nil {
		return nil, ErrNotFound
	}
	v, news, err := m.ask(time.Now())
	if news == nil {
		s.metrics.asked(v, false)
		return v, err
	}
	defer m.unask()
	for news != nil {
		select {
		case <-news:
			v, news, err = m.look(time.Now())
		case <-ctx.Done():
			s.metrics.asked(nil, true)
			return nil, m.noReport(ctx)
		case <-s.stopped:
			return nil, ErrStopping
		}
	}
	s.metrics.asked(v, true)
	return v, err
}

// hit registers demand and returns the cached report if it is fresh, else nil. It does not read
// the Registry, whose changes arrive by Sync: even that would be slow compared with a cached
// response.
func (s *Sessions) hit(name string, now time.Time) *Report {
	m := s.member(name)
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blockedReason() != "" || m.value == nil || !m.value.Fresh(now) {
		return nil
	}
	if wanted := m.demand(now); !wanted || !m.running {
		m.stirLocked()
	}
	return m.value
}

// RegisterDemand registers demand for a cluster as Await does, without waiting for a report.
func (s *Sessions) RegisterDemand(name string) {
	m := s.lookUp(name)
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if wanted := m.demand(time.Now()); !wanted || !m.running || m.value == nil {
		m.stirLocked()
	}
}

// Watch registers demand for a cluster until release is called.
func (s *Sessions) Watch(name string) (release func()) {
	m := s.lookUp(name)
	if m == nil {
		return func() {}
	}
	m.watch(1)
	var once sync.Once
	return func() { once.Do(func() { m.watch(-1) }) }
}

// ask registers demand, unless the request has to be refused, and says what look says. Where there is something to wait
// for, the caller counts as waiting until unask.
func (m *member) ask(now time.Time) (*Report, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wanted := m.demand(now)
	v, news, err := m.lookLocked(now)
	if news != nil {
		m.waiting++
	}
	if news != nil || !wanted || !m.running {
		m.stirLocked()
	}
	return v, news, err
}

// demand counts a request, and says whether the cluster was wanted before. m.mu is held.
func (m *member) demand(now time.Time) (wanted bool) {
	m.asked = now
	wanted, _ = m.wanted(now)
	if until := now.Add(grace(m.spec)); m.blockedReason() == "" && until.After(m.demandUntil) {
		m.demandUntil = until
	}
	return wanted
}

func (m *member) unask() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting--
	m.stirLocked()
}

func (m *member) watch(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watches += n
	m.stirLocked()
}

// look returns what a reader gets now: a report, or an error, or a channel that is closed when
// the reader has to look again.
func (m *member) look(now time.Time) (*Report, <-chan struct{}, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lookLocked(now)
}

func (m *member) lookLocked(now time.Time) (*Report, <-chan struct{}, error) {
	switch {
	case m.gone:
		return nil, nil, ErrNotFound
	case m.spec.Suspended:
		return nil, nil, ErrSuspended
	case m.fault != nil:
		return nil, nil, &UnreachableError{Reason: m.fault.reason, Err: m.fault, LastKnown: m.told.LastKnown}
	case m.value != nil && m.value.Fresh(now):
		return m.value, nil, nil
	case m.told.Session.Phase == Backoff:
		return nil, nil, &UnreachableError{Reason: m.lastFault.reason, Err: m.lastFault, RetryAfter: max(m.retry.Sub(now), 0), LastKnown: m.told.LastKnown}
	}
	return nil, m.news, nil
}

// noReport returns the error of a wait whose context ended.
func (m *member) noReport(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &NoReportError{Phase: m.told.Session.Phase, Err: ctx.Err(), LastKnown: m.told.LastKnown}
}
