package history

import (
	"sync"
	"sync/atomic"
	"time"
)

// logInterval is the minimum time between two log lines about evictions.
const logInterval = 10 * time.Minute

// evictions counts the samples that were dropped for lack of memory.
type evictions struct {
	mu      sync.Mutex
	logged  time.Time
	samples atomic.Int64
	chunks  atomic.Int64
}

// evictToLimit drops samples until the memory is within the limit. It drops the oldest
// chunk of the cluster that was read least recently; of several that were never read, the
// one with the oldest sample.
func (h *History) evictToLimit() {
	h.evictions.mu.Lock()
	defer h.evictions.mu.Unlock()
	for h.bytes.Load() > h.config.MaxBytes {
		name, c := h.leastRecentlyRead()
		if c == nil {
			return
		}
		samples, grown := c.evict()
		h.bytes.Add(grown)
		h.evictions.samples.Add(int64(samples))
		h.evictions.chunks.Add(1)
		h.logFull(name)
	}
}

// leastRecentlyRead returns the cluster to evict from, or nil if all are empty.
func (h *History) leastRecentlyRead() (name string, least *cluster) {
	var readAt, oldest int64
	for n, c := range h.allClusters() {
		p := c.current.Load()
		if p.empty() {
			continue
		}
		read, age := c.readAt.Load(), p.oldest()
		if least == nil || read < readAt || read == readAt && (age < oldest || age == oldest && n < name) {
			name, least, readAt, oldest = n, c, read, age
		}
	}
	return name, least
}

func (h *History) logFull(name string) {
	now := time.Now()
	if h.config.Log == nil || now.Sub(h.evictions.logged) < logInterval {
		return
	}
	h.evictions.logged = now
	h.config.Log.Warn("history is full, evicting the oldest samples of the clusters that were read least recently; raise --history-max-memory or lower --history",
		"cluster", name, "maxBytes", h.config.MaxBytes)
}

// Stats describes the content of a History.
type Stats struct {
	// Bytes is the memory in use, including labels and times. Samples is the number of
	// values; CPU and memory count as one each.
	Bytes, Samples   int64
	Clusters, Series int
	// EvictedSamples and EvictedChunks count what was dropped for lack of memory.
	EvictedSamples, EvictedChunks int64
}

// Stats returns statistics. It visits each chunk.
func (h *History) Stats() Stats {
	s := Stats{Bytes: h.bytes.Load(), EvictedSamples: h.evictions.samples.Load(), EvictedChunks: h.evictions.chunks.Load()}
	for _, c := range h.allClusters() {
		p := c.current.Load()
		s.Clusters++
		s.Series += len(p.labels)
		s.Samples += int64(p.samples())
	}
	return s
}
