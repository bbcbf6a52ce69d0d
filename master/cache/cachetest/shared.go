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
	followers map[*SharedFeed]cache.Follower
	cut       map[*SharedFeed]bool
}

// NewShared returns an empty Shared.
func NewShared() *Shared {
	return &Shared{Memory: cache.NewMemory(), followers: map[*SharedFeed]cache.Follower{}, cut: map[*SharedFeed]bool{}}
}

// Feed returns the cache.Feed of one more master.
func (s *Shared) Feed() *SharedFeed { return &SharedFeed{s} }

// SharedFeed is the cache.Feed of one master.
type SharedFeed struct{ *Shared }

// Cut sets whether the Store is unavailable to this master.
func (f *SharedFeed) Cut(cut bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut[f] = cut
}

func (f *SharedFeed) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut[f] {
		return cache.ErrUnavailable
	}
	return nil
}

// Load implements cache.Store.
func (f *SharedFeed) Load(ctx context.Context, cluster string, ttl time.Duration) (*report.Report, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Memory.Load(ctx, cluster, ttl)
}

// Save implements cache.Store.
func (f *SharedFeed) Save(ctx context.Context, r *report.Report) error {
	if err := f.err(); err != nil {
		return err
	}
	if err := f.Memory.Save(ctx, r); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for other, follower := range f.followers {
		if other == f || f.cut[other] {
			continue
		}
		if ttl, ok := follower.TTL(r.Cluster); ok {
			follower.OnReport(cache.CapTTL(r, ttl))
		}
	}
	return nil
}

// LastTerm implements cache.Store.
func (f *SharedFeed) LastTerm(ctx context.Context, cluster string) (uint64, error) {
	if err := f.err(); err != nil {
		return 0, err
	}
	return f.Memory.LastTerm(ctx, cluster)
}

// TakeTerm implements cache.Store.
func (f *SharedFeed) TakeTerm(ctx context.Context, cluster string, term uint64) error {
	if err := f.err(); err != nil {
		return err
	}
	return f.Memory.TakeTerm(ctx, cluster, term)
}

// Follow implements cache.Feed.
func (f *SharedFeed) Follow(ctx context.Context, follower cache.Follower) error {
	f.mu.Lock()
	f.followers[f] = follower
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.followers, f)
	return nil
}
