package cachetest

import (
	"context"
	"sync"
	"time"

	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

// Shared is a Store in memory that several masters share, each by a cache.Feed of its own. A saved report reaches the
// others immediately.
type Shared struct {
	*cache.Memory

	mu        sync.Mutex
	followers map[*sharedFeed]cache.Follower
	cut       bool
}

// NewShared returns an empty Shared.
func NewShared() *Shared {
	return &Shared{Memory: cache.NewMemory(), followers: map[*sharedFeed]cache.Follower{}}
}

// Feed returns the cache.Feed of one more master.
func (s *Shared) Feed() cache.Feed { return &sharedFeed{s} }

// Cut sets whether the Store is unavailable.
func (s *Shared) Cut(cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = cut
}

func (s *Shared) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return cache.ErrUnavailable
	}
	return nil
}

// sharedFeed is the cache.Feed of one master.
type sharedFeed struct{ *Shared }

// Load implements cache.Store.
func (f *sharedFeed) Load(ctx context.Context, cluster string, ttl time.Duration) (*report.Report, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Memory.Load(ctx, cluster, ttl)
}

// Save implements cache.Store.
func (f *sharedFeed) Save(ctx context.Context, r *report.Report) error {
	if err := f.err(); err != nil {
		return err
	}
	if err := f.Memory.Save(ctx, r); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, follower := range f.followers {
		if other == f {
			continue
		}
		if ttl, ok := follower.TTL(r.Cluster); ok {
			follower.OnReport(cache.CapTTL(r, ttl))
		}
	}
	return nil
}

// Follow implements cache.Feed.
func (f *sharedFeed) Follow(ctx context.Context, follower cache.Follower) error {
	f.mu.Lock()
	f.followers[f] = follower
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, f)
	return nil
}
