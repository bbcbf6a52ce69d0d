package rediscache

import (
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// sweepFrom is how many clusters are remembered before those are looked for that need
// not be.
const sweepFrom = 1024

// seen is the newest entry of a cluster that this process has read or written.
type seen struct {
	version cache.Version
	// received is by the clock of its writer, expires by this process's.
	received, expires time.Time
}

// forgettable reports whether nothing older could be taken any more anyway.
func (s seen) forgettable(now time.Time) bool {
	return now.After(s.expires.Add(cache.ResumeWindow + 2*clockTolerance))
}

// allows reports whether an entry may follow the one seen: it is not older, or the one
// seen has expired and this was received later, by a master that still reports.
func (s seen) allows(v cache.Version, received, now time.Time) bool {
	return v.Compare(s.version) >= 0 || !now.Before(s.expires) && received.After(s.received)
}

// seenVersions keeps readers from going back.
type seenVersions struct {
	mu       sync.Mutex
	clusters map[string]seen
	sweepAt  int
}

// allow reports whether an entry is not below what was seen of its cluster.
func (s *seenVersions) allow(cluster string, v cache.Version, received, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.clusters[cluster]
	return !ok || last.allows(v, received, now)
}

// note remembers an entry that was read or written, unless it is below what was seen.
func (s *seenVersions) note(cluster string, next seen, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.clusters[cluster]
	switch {
	case ok && !last.allows(next.version, next.received, now):
		return
	case ok && last.version == next.version && last.received.After(next.received):
		return
	case !ok && len(s.clusters) >= max(s.sweepAt, sweepFrom):
		for name, c := range s.clusters {
			if c.forgettable(now) {
				delete(s.clusters, name)
			}
		}
		s.sweepAt = 2 * len(s.clusters)
	}
	if s.clusters == nil {
		s.clusters = map[string]seen{}
	}
	s.clusters[cluster] = next
}
