package session

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/master/cache"
)

// countingStore is a Store that counts calls.
type countingStore struct {
	cache.Store
	calls atomic.Int64
}

func (c *countingStore) Load(ctx context.Context, cluster string, ttl time.Duration) (*Report, error) {
	c.calls.Add(1)
	return c.Store.Load(ctx, cluster, ttl)
}

func (c *countingStore) Save(ctx context.Context, r *Report) error {
	c.calls.Add(1)
	return c.Store.Save(ctx, r)
}

func (c *countingStore) LastTerm(ctx context.Context, cluster string) (uint64, error) {
	c.calls.Add(1)
	return c.Store.LastTerm(ctx, cluster)
}

func (c *countingStore) TakeTerm(ctx context.Context, cluster string, term uint64) error {
	c.calls.Add(1)
	return c.Store.TakeTerm(ctx, cluster, term)
}

func TestHitDoesNotCallTheStore(t *testing.T) {
	store := &countingStore{Store: cache.NewMemory()}
	withMaster(t, func(t *testing.T, m *testMaster) {
		m.addCluster("a")
		m.get("a")
		synctest.Wait()
		before := store.calls.Load()
		if before == 0 {
			t.Fatal("the store was not called for the first report")
		}
		for range 100 {
			m.get("a")
		}
		synctest.Wait()
		wantEqual(t, "store calls for 100 hits", store.calls.Load()-before, int64(0))
	}, func(m *testMaster) { m.store = store })
}
