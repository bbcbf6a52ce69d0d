package cache

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/report"
)

// Memory is a Store in the memory of this process. It holds the saved reports themselves, not
// copies, and removes each at its RetainUntil.
type Memory struct {
	mu      sync.Mutex
	entries map[string]*memoryEntry
	terms   map[string]uint64 // the last term of each cluster
}

// memoryEntry is a report with the timer that removes it.
type memoryEntry struct {
	report *report.Report
	expiry *time.Timer
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{entries: map[string]*memoryEntry{}, terms: map[string]uint64{}}
}

// Load implements Store.
func (m *Memory) Load(_ context.Context, cluster string, ttl time.Duration) (*report.Report, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored := m.entries[cluster]
	if stored == nil {
		return nil, ErrMiss
	}
	r := CapTTL(stored.report, ttl)
	if !time.Now().Before(RetainUntil(r)) {
		return nil, ErrMiss
	}
	return r, nil
}

// Save implements Store.
func (m *Memory) Save(_ context.Context, r *report.Report) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	if !now.Before(r.ExpiresAt) {
		return nil
	}
	if r.Term < m.terms[r.Cluster] {
		return ErrSuperseded
	}
	m.terms[r.Cluster] = r.Term
	if entry := m.entries[r.Cluster]; entry != nil && now.Before(entry.report.ExpiresAt) && !Replaces(r, entry.report.Version(), entry.report.ExpiresAt) {
		return nil
	}
	m.remove(r.Cluster)
	next := &memoryEntry{report: r}
	next.expiry = time.AfterFunc(time.Until(RetainUntil(r)), func() { m.expire(r.Cluster, next) })
	m.entries[r.Cluster] = next
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, cluster string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(cluster)
	return nil
}

// remove removes the cluster's report. The caller holds m.mu.
func (m *Memory) remove(cluster string) {
	if stored := m.entries[cluster]; stored != nil {
		stored.expiry.Stop()
		delete(m.entries, cluster)
	}
}

// expire removes a report unless it has been replaced.
func (m *Memory) expire(cluster string, stored *memoryEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[cluster] == stored {
		delete(m.entries, cluster)
	}
}

// LastTerm implements Store.
func (m *Memory) LastTerm(_ context.Context, cluster string) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.terms[cluster], nil
}

// TakeTerm implements Store.
func (m *Memory) TakeTerm(_ context.Context, cluster string, term uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if term <= m.terms[cluster] {
		return ErrSuperseded
	}
	m.terms[cluster] = term
	return nil
}
