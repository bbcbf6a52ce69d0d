package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// CacheOptions select the content of a Cache and its handlers.
type CacheOptions struct {
	Part   Part
	Filter Filter
	// Usage selects how usage is handled. With UsageEvents, the default, a reading updates
	// the Used of rows and calls Handlers.Usage, but no handler of rows. With UsageObjects it
	// calls Update for each changed row.
	Usage UsageMode
	// Timeout is as in WatchOptions.
	Timeout  time.Duration
	Handlers []Handlers
}

// Handlers has functions that the goroutine of Run calls for each change, in the order of
// the changes. The listers have the whole change by then. There is no queue: a slow handler
// delays the changes that follow.
type Handlers struct {
	Node      Handler[state.NodeView]
	Pod       Handler[state.PodView]
	Container Handler[state.ContainerView]
	Port      Handler[state.PortView]
	Summary   func(*state.Summary)
	Usage     func(*Usage)
	// Synced is called once, after the Add of all initial rows.
	Synced func()
	// Freshness is called when a field other than the times and the version has changed.
	Freshness func(Freshness)
}

// Handler handles the events of one type of row. Each function may be nil. Rows are shared,
// and must not be modified.
type Handler[T any] struct {
	// Add is called with a new row. initial is true for a row of the initial state.
	Add    func(row *T, initial bool)
	Update func(old, row *T)
	Delete func(last *T)
}

// Cache holds a cluster, or a part of it, like a Kubernetes informer: Run fills it and keeps
// it up to date, and listers read it. A reader always sees the state of the cluster at one
// resourceVersion, never a part of a change. If a watch cannot be resumed, the cluster is
// listed again, and the handlers are called with the differences.
type Cache struct {
	client  *Client
	cluster string
	options CacheOptions
	running atomic.Bool
	synced  chan struct{}

	mu sync.RWMutex // guards contents and freshness
	contents
	freshness Freshness

	// pending is used by Run only.
	pending pendingEvents
}

// contents are the rows of a cache.
type contents struct {
	nodes      *table[state.NodeView]
	pods       *table[state.PodView]
	containers *table[state.ContainerView]
	ports      *table[state.PortView]
	summary    *state.Summary
}

func newContents() contents {
	return contents{newTable(nodeRows), newTable(podRows), newTable(containerRows), newTable(portRows), nil}
}

// NewCache returns a Cache of a cluster, by name or cluster IP. It is empty until Run.
func NewCache(c *Client, cluster string, o CacheOptions) *Cache {
	return &Cache{client: c, cluster: cluster, options: o, synced: make(chan struct{}), contents: newContents()}
}

// Run keeps the cache up to date until ctx ends, or the master rejects the watch with a
// permanent *Problem; see Client.Watch. The contents then remain, and are stale. Run may be
// called again after it has returned.
func (c *Cache) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return fmt.Errorf("cache of %s: Run is already running", c.cluster)
	}
	defer c.running.Store(false)
	c.pending = pendingEvents{}
	o := WatchOptions{Part: c.options.Part, Filter: c.options.Filter, Usage: c.options.Usage, Timeout: c.options.Timeout}
	o.OnRetry = func(err error, _ time.Duration) {
		c.pending.events = nil // an incomplete change is repeated as a whole
		c.disconnected(err)
	}
	for e, err := range c.client.Watch(ctx, c.cluster, o) {
		if err != nil {
			c.disconnected(err)
			return fmt.Errorf("cache of %s: %w", c.cluster, err)
		}
		c.handle(e)
	}
	return errors.New("a watch ended without an error")
}

// HasSynced reports whether the cache has been filled.
func (c *Cache) HasSynced() bool {
	select {
	case <-c.synced:
		return true
	default:
		return false
	}
}

// Synced returns a channel that is closed once the cache has been filled and the handlers
// were called with all initial rows.
func (c *Cache) Synced() <-chan struct{} { return c.synced }

// Nodes returns a lister of the nodes that match CacheOptions.
func (c *Cache) Nodes() Lister[state.NodeView] { return Lister[state.NodeView]{&c.mu, c.nodes} }

// Pods returns a lister of the pods that match CacheOptions.
func (c *Cache) Pods() Lister[state.PodView] { return Lister[state.PodView]{&c.mu, c.pods} }

// Containers returns a lister of the containers that match CacheOptions.
func (c *Cache) Containers() Lister[state.ContainerView] {
	return Lister[state.ContainerView]{&c.mu, c.containers}
}

// Ports returns a lister of the taken ports that match CacheOptions.
func (c *Cache) Ports() Lister[state.PortView] { return Lister[state.PortView]{&c.mu, c.ports} }

// Summary returns the summary of the cluster, or nil if it is not known yet or not part of
// CacheOptions.Part.
func (c *Cache) Summary() *state.Summary {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.summary
}

// Freshness returns how fresh the contents are now.
func (c *Cache) Freshness() Freshness {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.freshness.withStale()
}
