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

// CacheOptions say what of a cluster a Cache holds, and who hears of changes.
type CacheOptions struct {
	Part   Part
	Filter Filter
	// Usage: with UsageEvents, the default, a reading changes the rows' Used and is
	// told to Handlers.Usage, and to no handler of rows; with UsageObjects it is an
	// Update of each row that it changes.
	Usage UsageMode
	// Timeout is as in WatchOptions.
	Timeout  time.Duration
	Handlers []Handlers
}

// Handlers hear of what changed, by the goroutine of Run and in the order in which it
// changed. By then listers show the whole change. A handler that is slow holds back
// those after it, and no more than that: there is no queue that could grow.
type Handlers struct {
	Node      Handler[state.NodeView]
	Pod       Handler[state.PodView]
	Container Handler[state.ContainerView]
	Port      Handler[state.PortView]
	Summary   func(*state.Summary)
	Usage     func(*Usage)
	// Synced is called once, when the first state is complete and was told.
	Synced func()
	// Freshness is called when anything in it changes apart from times and versions.
	Freshness func(Freshness)
}

// Handler hears of rows of one kind. Any of its functions may be nil. Rows are shared,
// and must not be changed.
type Handler[T any] struct {
	// Add tells of a new row; initial says that it was there from the beginning.
	Add    func(row *T, initial bool)
	Update func(old, row *T)
	Delete func(last *T)
}

// Cache holds a cluster, or a part of it, as Kubernetes' informers do: it is filled
// and kept up to date by Run, and read by listers. What a reader sees is always the
// state of the cluster at one resourceVersion, never half of a change. Where a watch
// cannot be resumed the cluster is listed anew, and handlers hear of the difference.
type Cache struct {
	client  *Client
	cluster string
	options CacheOptions
	running atomic.Bool
	synced  chan struct{}

	mu sync.RWMutex // of all below
	contents
	freshness Freshness

	// intake is Run's alone.
	intake intake
}

// contents are what a cache holds.
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

// NewCache is a Cache of a cluster, by name or cluster IP; it is empty until Run.
func NewCache(c *Client, cluster string, o CacheOptions) *Cache {
	return &Cache{client: c, cluster: cluster, options: o, synced: make(chan struct{}), contents: newContents()}
}

// Run keeps the cache until the context ends, or until the master refuses to tell (a
// *Problem; see Client.Watch). Then the contents stay, and are stale; Run may be called
// again, one at a time.
func (c *Cache) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return fmt.Errorf("cache of %s: it runs already", c.cluster)
	}
	defer c.running.Store(false)
	c.intake = intake{}
	o := WatchOptions{Part: c.options.Part, Filter: c.options.Filter, Usage: c.options.Usage, Timeout: c.options.Timeout}
	o.Retrying = func(err error, _ time.Duration) {
		c.intake.held = nil // a change that was cut comes again, whole
		c.disconnected(err)
	}
	for e, err := range c.client.Watch(ctx, c.cluster, o) {
		if err != nil {
			c.disconnected(err)
			return fmt.Errorf("cache of %s: %w", c.cluster, err)
		}
		c.take(e)
	}
	return errors.New("a watch ended without an error")
}

// HasSynced says that the cache has been filled.
func (c *Cache) HasSynced() bool {
	select {
	case <-c.synced:
		return true
	default:
		return false
	}
}

// Synced is closed when the cache has been filled and its handlers have heard of all.
func (c *Cache) Synced() <-chan struct{} { return c.synced }

// Nodes, Pods, Containers and Ports read the rows that CacheOptions let in.
func (c *Cache) Nodes() Lister[state.NodeView] { return Lister[state.NodeView]{&c.mu, c.nodes} }

// Pods reads pods.
func (c *Cache) Pods() Lister[state.PodView] { return Lister[state.PodView]{&c.mu, c.pods} }

// Containers reads containers.
func (c *Cache) Containers() Lister[state.ContainerView] {
	return Lister[state.ContainerView]{&c.mu, c.containers}
}

// Ports reads taken ports.
func (c *Cache) Ports() Lister[state.PortView] { return Lister[state.PortView]{&c.mu, c.ports} }

// Summary is the cluster's summary, nil until it is known or where the part has none.
func (c *Cache) Summary() *state.Summary {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.summary
}

// Freshness tells how far the contents can be trusted now.
func (c *Cache) Freshness() Freshness {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.freshness.shown()
}
