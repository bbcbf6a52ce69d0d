package history

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

// Config configures New.
type Config struct {
	// Window is how long samples are kept. They are dropped by chunks, so up to 4 minutes
	// more may be present.
	Window time.Duration
	// MaxBytes is the memory limit of all clusters together; 0 means no limit.
	MaxBytes int64
	Log      *slog.Logger
}

// History keeps the last minutes of many clusters. It is safe for concurrent use, but the
// calls of Add and EndSession for one cluster must be in order of time.
type History struct {
	config Config

	mu       sync.RWMutex
	clusters map[string]*cluster

	bytes     atomic.Int64
	evictions evictions
}

// New returns an empty History.
func New(config Config) *History {
	return &History{config: config, clusters: map[string]*cluster{}}
}

// Add adds a report of a cluster. A reading of usage is added once, identified by its
// epoch and number. Counts are added when they have changed (at most every 4 s), or after
// 15 s. A report with neither costs little: its objects are not decoded. If they cannot be
// decoded, series are neither started nor ended until the next report. A nil state is ignored.
func (h *History) Add(name string, s *wire.LazyState, sum state.Summary, at time.Time) {
	if s == nil {
		return
	}
	grown, err := h.getOrCreate(name).add(s, &sum, at, h.config.Window)
	if err != nil && h.config.Log != nil {
		h.config.Log.Warn("history does not start and end series until the next report", "cluster", name, "error", err)
	}
	h.addBytes(grown)
}

// EndSession ends all series of a cluster. It is called when the session has ended.
func (h *History) EndSession(name string, at time.Time) {
	if c := h.cluster(name); c != nil {
		h.addBytes(c.endSession(at, h.config.Window))
	}
}

// RemoveCluster removes a cluster that is no longer registered.
func (h *History) RemoveCluster(name string) {
	h.mu.Lock()
	c := h.clusters[name]
	delete(h.clusters, name)
	h.mu.Unlock()
	if c != nil {
		h.addBytes(-c.forget())
	}
}

// Sweep drops expired samples of clusters that do not report any more. It is to be called
// about every minute.
func (h *History) Sweep(now time.Time) {
	cutoff := now.Add(-h.config.Window).UnixMilli()
	for name, c := range h.allClusters() {
		grown, empty := c.sweep(cutoff)
		h.addBytes(grown)
		if empty {
			h.remove(name, c)
		}
	}
}

func (h *History) cluster(name string) *cluster {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.clusters[name]
}

func (h *History) getOrCreate(name string) *cluster {
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

// allClusters returns a copy of the map of clusters.
func (h *History) allClusters() map[string]*cluster {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make(map[string]*cluster, len(h.clusters))
	for name, c := range h.clusters {
		all[name] = c
	}
	return all
}

func (h *History) remove(name string, c *cluster) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.clusters[name] == c {
		delete(h.clusters, name)
	}
}

// addBytes adds to the memory count, and evicts samples if it exceeds the limit.
func (h *History) addBytes(bytes int64) {
	total := h.bytes.Add(bytes)
	if bytes > 0 && h.config.MaxBytes > 0 && total > h.config.MaxBytes {
		h.evictToLimit()
	}
}
