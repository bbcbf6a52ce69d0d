package cache

import (
	"sync"
	"time"
)

// TermCounter counts the terms of each cluster in one process. It also keeps its own terms
// above those that a shared Store returned; see Observe. The first term of a cluster is the
// current Unix time in milliseconds, so that terms grow across restarts without being stored.
// The zero value is ready to use.
type TermCounter struct {
	mu   sync.Mutex
	last map[string]uint64
}

// Next returns the next term of the cluster.
func (t *TermCounter) Next(cluster string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	term := t.min(cluster)
	t.observe(cluster, term)
	return term
}

// Min returns the smallest valid next term of the cluster, for a shared Store that counts terms.
func (t *TermCounter) Min(cluster string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.min(cluster)
}

// Observe records a term that another process or a shared Store has used, so that Next and Min
// return greater ones.
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
