package history

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Config is what New needs.
type Config struct {
	// Window is for how long samples are kept; up to 4 minutes more may be there.
	Window time.Duration
	// MaxBytes bounds all clusters together; 0: there is no bound.
	MaxBytes int64
	Log      *slog.Logger
}

// History keeps the last minutes of many clusters. It may be used by many goroutines;
// what is added of one cluster has to come in order.
type History struct {
	config Config

	mu       sync.RWMutex
	clusters map[string]*cluster

	bytes atomic.Int64
	room  room
}

// New is a History without a past.
func New(config Config) *History {
	return &History{config: config, clusters: map[string]*cluster{}}
}

// Add takes in what a cluster reported. It is cheap where nothing came but the time: a
// reading of usage is taken once, by its epoch and number, and counts when they moved
// (at most each 4 s), or each 15 s. A nil State is none.
func (h *History) Add(name string, s *state.State, sum state.Summary, at time.Time) {
	if s == nil {
		return
	}
	h.grew(h.make(name).add(s, &sum, at, h.config.Window))
}

// End says that a cluster's session ended: all its series end.
func (h *History) End(name string, at time.Time) {
	if c := h.cluster(name); c != nil {
		h.grew(c.finish(at, h.config.Window))
	}
}

// Forget lets go of a cluster that is no longer registered.
func (h *History) Forget(name string) {
	h.mu.Lock()
	c := h.clusters[name]
	delete(h.clusters, name)
	h.mu.Unlock()
	if c != nil {
		h.grew(-c.forget())
	}
}

// Sweep lets go of what has grown too old in clusters that report no more; it is to be
// called each minute or so.
func (h *History) Sweep(now time.Time) {
	cutoff := now.Add(-h.config.Window).UnixMilli()
	for name, c := range h.all() {
		grown, gone := c.sweep(cutoff)
		h.grew(grown)
		if gone {
			h.drop(name, c)
		}
	}
}

func (h *History) cluster(name string) *cluster {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.clusters[name]
}

func (h *History) make(name string) *cluster {
	if c := h.cluster(name); c != nil {
		return c
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.clusters[name]
	if c == nil {
		c = newCluster()
		h.clusters[name] = c
		h.bytes.Add(c.size)
	}
	return c
}

// all are the clusters that there are now.
func (h *History) all() map[string]*cluster {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make(map[string]*cluster, len(h.clusters))
	for name, c := range h.clusters {
		all[name] = c
	}
	return all
}

func (h *History) drop(name string, c *cluster) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clusters[name] == c {
		delete(h.clusters, name)
	}
}

// grew counts bytes, and makes room where there are too many.
func (h *History) grew(bytes int64) {
	total := h.bytes.Add(bytes)
	if bytes > 0 && h.config.MaxBytes > 0 && total > h.config.MaxBytes {
		h.makeRoom()
	}
}
