package rediscache

import (
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// minSweepSize is the number of clusters from which rollbackGuard looks for those that it can
// forget.
const minSweepSize = 1024

// seenEntry describes the newest entry of a cluster that this process has read or written.
type seenEntry struct {
	version report.Version
	// received is by the writer's clock, expires by the clock of this process.
	received, expires time.Time
}

// forgettable reports whether any older entry would be refused by its age anyway.
func (s seenEntry) forgettable(now time.Time) bool {
	return now.After(s.expires.Add(cache.ResumeWindow + 2*clockTolerance))
}

// allows reports whether an entry may be read after s: it is not older, or s has expired and
// the entry was received later, which means that the master that wrote it still receives reports.
func (s seenEntry) allows(v report.Version, received, now time.Time) bool {
	return v.Compare(s.version) >= 0 || !now.Before(s.expires) && received.After(s.received)
}

// rollbackGuard prevents readers from going back to older entries that were restored in Redis.
type rollbackGuard struct {
	mu       sync.Mutex
	clusters map[string]seenEntry
	sweepAt  int
}

// allow reports whether an entry of the cluster may be read after the newest one seen.
func (g *rollbackGuard) allow(cluster string, v report.Version, received, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, ok := g.clusters[cluster]
	return !ok || last.allows(v, received, now)
}

// record records an entry that was read or written, unless a newer one is recorded.
func (g *rollbackGuard) record(cluster string, next seenEntry, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	last, ok := g.clusters[cluster]
	switch {
	case ok && !last.allows(next.version, next.received, now):
		return
	case ok && last.version == next.version && last.received.After(next.received):
		return
	case !ok && len(g.clusters) >= max(g.sweepAt, minSweepSize):
		for name, c := range g.clusters {
			if c.forgettable(now) {
				delete(g.clusters, name)
			}
		}
		g.sweepAt = 2 * len(g.clusters)
	}
	if g.clusters == nil {
		g.clusters = map[string]seenEntry{}
	}
	g.clusters[cluster] = next
}
