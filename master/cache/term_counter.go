package cache

import (
	"sync"
	"time"
)

// Terms gives the terms of one process, and keeps those that a shared Store gives
// in order with them. A cluster's first term is the time in Unix milliseconds, so
// that terms grow across restarts without being stored. The zero value is ready.
type TermCounter struct {
	mu   sync.Mutex
	last map[string]uint64
}

// Next is the cluster's next term.
func (t *TermCounter) Next(cluster string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	term := t.min(cluster)
	t.observe(cluster, term)
	return term
}

// Floor is the least that the cluster's next term may be, whoever gives it.
func (t *TermCounter) Min(cluster string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.min(cluster)
}

// Given notes a term that somebody else gave.
func (t *TermCounter) Observe(cluster string, term uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.observe(cluster, term)
}

func (t *TermCounter) min(cluster string) uint64 {
	return max(t.last[cluster]+1, uint64(max(time.Now().UnixMilli(), 1)))
}

func (t *TermCounter) observe(cluster string, term uint64) {
	if t.last == nil {
		t.last = map[string]uint64{}
	}
	t.last[cluster] = max(t.last[cluster], term)
}
