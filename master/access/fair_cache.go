package access

import (
	"container/list"
	"sync"
	"time"
)

// sweepPeriod is the time between two removals of expired entries.
const sweepPeriod = 10 * time.Second

// fairCache is an LRU cache with expiring entries that belong to owners. An owner has at most
// perOwner entries, all owners together at most total. When the cache is full, the least recently
// used entry of the owner with the most entries is evicted, so that no owner evicts entries of one
// with fewer. It is safe for concurrent use.
type fairCache[V any] struct {
	total, perOwner int

	mu      sync.Mutex
	entries map[string]*list.Element // of *cacheEntry[V]
	owners  map[string]*list.List    // the entries of each, the most recently used first
	swept   time.Time
}

type cacheEntry[V any] struct {
	key, owner string
	value      V
	expires    time.Time
}

func newFairCache[V any](total, perOwner int) *fairCache[V] {
	return &fairCache[V]{total: total, perOwner: perOwner, entries: map[string]*list.Element{}, owners: map[string]*list.List{}, swept: time.Now()}
}

// get returns the value of a key unless it has expired.
func (c *fairCache[V]) get(key string) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.entries[key]
	if !ok {
		return value, false
	}
	e := at.Value.(*cacheEntry[V])
	if !time.Now().Before(e.expires) {
		c.removeLocked(at)
		return value, false
	}
	c.owners[e.owner].MoveToFront(at)
	return e.value, true
}

// add sets the value of a key for some time.
func (c *fairCache[V]) add(owner, key string, value V, lifetime time.Duration) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweepLocked(now)
	if at, ok := c.entries[key]; ok {
		c.removeLocked(at)
	}
	if entries := c.owners[owner]; entries != nil && entries.Len() >= c.perOwner {
		c.removeLocked(entries.Back())
	} else if len(c.entries) >= c.total {
		c.removeLocked(c.largestLocked().Back())
	}
	entries := c.owners[owner]
	if entries == nil {
		entries = list.New()
		c.owners[owner] = entries
	}
	c.entries[key] = entries.PushFront(&cacheEntry[V]{key, owner, value, now.Add(lifetime)})
}

// remove removes a key.
func (c *fairCache[V]) remove(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.entries[key]; ok {
		c.removeLocked(at)
	}
}

// len returns the number of entries, including expired ones.
func (c *fairCache[V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.entries)
}

func (c *fairCache[V]) removeLocked(at *list.Element) {
	e := at.Value.(*cacheEntry[V])
	delete(c.entries, e.key)
	entries := c.owners[e.owner]
	if entries.Remove(at); entries.Len() == 0 {
		delete(c.owners, e.owner)
	}
}

// largestLocked returns the entries of the owner with the most entries.
func (c *fairCache[V]) largestLocked() (largest *list.List) {
	for _, entries := range c.owners {
		if largest == nil || entries.Len() > largest.Len() {
			largest = entries
		}
	}
	return largest
}

// sweepLocked removes expired entries, once a sweepPeriod.
func (c *fairCache[V]) sweepLocked(now time.Time) {
	if now.Sub(c.swept) < sweepPeriod {
		return
	}
	c.swept = now
	for _, at := range c.entries {
		if e := at.Value.(*cacheEntry[V]); !now.Before(e.expires) {
			c.removeLocked(at)
		}
	}
}
