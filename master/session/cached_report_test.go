package session

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// counting is a Store that counts what it is asked for.
type counting struct {
	cache.Store
	calls atomic.Int64
}

func (c *counting) Load(ctx context.Context, cluster string, ttl time.Duration) (cache.Entry, error) {
	c.calls.Add(1)
	return c.Store.Load(ctx, cluster, ttl)
}

func (c *counting) Save(ctx context.Context, cluster string, e cache.Entry) error {
	c.calls.Add(1)
	return c.Store.Save(ctx, cluster, e)
}

func (c *counting) NextTerm(ctx context.Context, cluster string) (uint64, error) {
	c.calls.Add(1)
	return c.Store.NextTerm(ctx, cluster)
}

func TestAReaderOfAClusterThatIsHeldAsksTheStoreForNothing(t *testing.T) {
	store := &counting{Store: cache.NewMemory()}
	act(t, func(t *testing.T, s *stage) {
		s.cluster("a")
		s.get("a")
		synctest.Wait()
		before := store.calls.Load()
		if before == 0 {
			t.Fatal("the store is not in use")
		}
		for range 100 {
			s.get("a")
		}
		synctest.Wait()
		want(t, "calls of the store for 100 hits", store.calls.Load()-before, int64(0))
	}, func(s *stage) { s.store = store })
}
