package history

import (
	"sync"
	"sync/atomic"
	"time"
)

// sayEvery is the least time between two log lines that the history is full.
const sayEvery = 10 * time.Minute

// room is what was let go of for want of memory.
type room struct {
	mu      sync.Mutex
	said    time.Time
	samples atomic.Int64
	chunks  atomic.Int64
}

// makeRoom drops the oldest samples of the cluster that was read longest ago, until
// there is room; of several that nobody ever read, those that are oldest.
func (h *History) makeRoom() {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	for h.bytes.Load() > h.config.MaxBytes {
		name, c := h.leastRead()
		if c == nil {
			return
		}
		samples, grown := c.evict()
		h.bytes.Add(grown)
		h.room.samples.Add(int64(samples))
		h.room.chunks.Add(1)
		h.say(name)
	}
}

// leastRead is the cluster that has to give room, nil where none has anything.
func (h *History) leastRead() (name string, least *cluster) {
	var readAt, oldest int64
	for n, c := range h.all() {
		p := c.present.Load()
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

func (h *History) say(name string) {
	now := time.Now()
	if h.config.Log == nil || now.Sub(h.room.said) < sayEvery {
		return
	}
	h.room.said = now
	h.config.Log.Warn("history is full: the oldest samples of the clusters that were read longest ago are let go; raise --history-max-memory, or lower --history",
		"cluster", name, "maxBytes", h.config.MaxBytes)
}

// Stats is how much there is.
type Stats struct {
	// Bytes is what all takes of memory, with labels and times; Samples is how many
	// values there are, CPU and memory as one each.
	Bytes, Samples   int64
	Clusters, Series int
	// EvictedSamples and EvictedChunks were let go of for want of memory, ever.
	EvictedSamples, EvictedChunks int64
}

// Stats counts what there is; it costs a look at each chunk.
func (h *History) Stats() Stats {
	s := Stats{Bytes: h.bytes.Load(), EvictedSamples: h.room.samples.Load(), EvictedChunks: h.room.chunks.Load()}
	for _, c := range h.all() {
		p := c.present.Load()
		s.Clusters++
		s.Series += len(p.labels)
		s.Samples += int64(p.samples())
	}
	return s
}
