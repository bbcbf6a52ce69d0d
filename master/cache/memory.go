package cache

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Memory is a Store in the memory of this process. It holds the States of the saved Entries
// themselves, not copies, and removes each at its RetainUntil.
type Memory struct {
	terms TermCounter

	mu      sync.Mutex
	entries map[string]*memoryEntry
	changed chan struct{} // closed by the next Save that stores an Entry
}

// memoryEntry is an Entry with the timer that removes it.
type memoryEntry struct {
	Entry
	expiry *time.Timer
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{entries: map[string]*memoryEntry{}, changed: make(chan struct{})}
}

// Load implements Store.
func (m *Memory) Load(_ context.Context, cluster string, ttl time.Duration) (Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored := m.entries[cluster]
	if stored == nil {
		return Entry{}, ErrMiss
	}
	e := stored.CapTTL(ttl)
	if !time.Now().Before(e.RetainUntil()) {
		return Entry{}, ErrMiss
	}
	return e, nil
}

// Save implements Store.
func (m *Memory) Save(_ context.Context, cluster string, e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored := m.entries[cluster]
	now := time.Now()
	if !now.Before(e.ExpiresAt) || stored != nil && now.Before(stored.ExpiresAt) && !e.Replaces(stored.Version(), stored.ExpiresAt) {
		return nil
	}
	m.remove(cluster)
	next := &memoryEntry{Entry: e}
	next.expiry = time.AfterFunc(time.Until(e.RetainUntil()), func() { m.expire(cluster, next) })
	m.entries[cluster] = next
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, cluster string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remove(cluster)
	return nil
}

// remove removes the cluster's Entry. The caller holds m.mu.
func (m *Memory) remove(cluster string) {
	if stored := m.entries[cluster]; stored != nil {
		stored.expiry.Stop()
		delete(m.entries, cluster)
	}
}

// expire removes an Entry unless it has been replaced.
func (m *Memory) expire(cluster string, stored *memoryEntry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries[cluster] == stored {
		delete(m.entries, cluster)
	}
}

// Watch implements Store.
func (m *Memory) Watch(ctx context.Context, cluster string, ttl time.Duration, after Version) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var until time.Time
		for ctx.Err() == nil {
			m.mu.Lock()
			stored, changed := m.entries[cluster], m.changed
			m.mu.Unlock()
			if stored != nil && stored.CapTTL(ttl).Replaces(after, until) {
				e := stored.CapTTL(ttl)
				after, until = e.Version(), e.ExpiresAt
				if !yield(e, nil) {
					return
				}
				continue
			}
			select {
			case <-changed:
			case <-ctx.Done():
			}
		}
	}
}

// NextTerm implements Store.
func (m *Memory) NextTerm(_ context.Context, cluster string) (uint64, error) {
	return m.terms.Next(cluster), nil
}
