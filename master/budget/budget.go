// Package budget limits the memory for the states of all clusters and shares it fairly between
// them. A cluster that needs more than its share is refused. It cannot evict a cluster that stays
// within its share.
//
// The memory is estimated and reserved before objects are decoded.
package budget

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/api/wire"
)

// These flags set the limits. Error messages name them.
const (
	TotalFlag   = "--state-max-memory"
	ClusterFlag = "--cluster-max-memory"
)

// Pool is the memory for the states of all clusters.
type Pool struct {
	total, cluster int64
	refused        *prometheus.CounterVec

	mu       sync.Mutex
	used     int64
	accounts map[string]*Account
}

// New returns a Pool with limits in bytes: total for all clusters together and cluster for each one.
// 0 or less means no limit.
func New(total, cluster int64) *Pool {
	return &Pool{
		total: total, cluster: cluster, accounts: map[string]*Account{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_state_refusals_total", Help: "Cluster states refused because they need too much memory, by the exceeded limit: cluster, the limit of one cluster; total, the share of the limit of all clusters.",
		}, []string{"limit"}),
	}
}

// Used returns the memory of all clusters in bytes, including reservations.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Account returns the Account of a cluster. It creates one if there is none.
func (p *Pool) Account(cluster string) *Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.accounts[cluster]
	if a == nil {
		a = &Account{pool: p, cluster: cluster}
		p.accounts[cluster] = a
	}
	return a
}

// Account counts the memory of one cluster: that of its current state, and reservations for objects
// that are about to be decoded. Its methods are safe for concurrent use.
type Account struct {
	pool    *Pool
	cluster string

	// The fields below are guarded by pool.mu.

	committed, reserved int64
	// evicted is set while the cluster has to release its memory, which counts as free already.
	evicted *Error
	// onEvict is called when evicted is set. It may be nil.
	onEvict func(error)
	closed  bool
}

// Error is returned if a cluster is refused. It names the flag with the exceeded limit, and wraps
// wire.ErrBudget.
type Error struct {
	// Needed is the memory that the cluster would have, Limit the limit or its share, in bytes.
	Needed, Limit int64
	// Total is set if Limit is the cluster's share of the limit of all clusters. Otherwise it is
	// the limit of one cluster.
	Total bool
}

// Error implements error.
func (e *Error) Error() string {
	if e.Total {
		return fmt.Sprintf("%v: it needs at least %s, and its share of the memory for all clusters is %s; see %s", wire.ErrBudget, bytes(e.Needed), bytes(e.Limit), TotalFlag)
	}
	return fmt.Sprintf("%v: it needs at least %s, and the limit of one cluster is %s; see %s", wire.ErrBudget, bytes(e.Needed), bytes(e.Limit), ClusterFlag)
}

// Unwrap returns wire.ErrBudget.
func (e *Error) Unwrap() error { return wire.ErrBudget }

// bytes formats a number of bytes.
func bytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// used returns the memory of the cluster, including reservations.
func (a *Account) used() int64 { return a.committed + a.reserved }

// Reserve implements wire.Budget. It reserves n more bytes until the next Commit. If the limit of all
// clusters is exceeded, it evicts clusters that exceed their share. If this cluster exceeds a limit
// or its share, or is being evicted, it returns an *Error.
func (a *Account) Reserve(n int64) error {
	p := a.pool
	p.mu.Lock()
	err, callbacks := a.reserveLocked(n)
	p.mu.Unlock()
	for _, f := range callbacks {
		f()
	}
	if err != nil {
		return err
	}
	return nil
}

// reserveLocked implements Reserve. The caller holds pool.mu, and runs the callbacks after it has
// released it.
func (a *Account) reserveLocked(n int64) (refusal *Error, callbacks []func()) {
	p := a.pool
	needed := a.used() + n
	switch {
	case a.evicted != nil:
		return a.evicted, nil
	case p.cluster > 0 && needed > p.cluster:
		p.refused.WithLabelValues("cluster").Inc()
		return &Error{Needed: needed, Limit: p.cluster}, nil
	}
	refusal, callbacks = p.reclaim(a, n)
	if refusal == nil {
		a.reserved += n
		p.used += n
	}
	return refusal, callbacks
}

// reclaim makes n more bytes available to a by evicting other accounts, unless a exceeds its share.
func (p *Pool) reclaim(a *Account, n int64) (refusal *Error, callbacks []func()) {
	if p.total <= 0 || p.used+n <= p.total {
		return nil, nil
	}
	accounts := []*Account{a}
	needs := []int64{a.used() + n}
	for _, other := range p.accounts {
		if other != a && other.evicted == nil && other.used() > 0 {
			accounts, needs = append(accounts, other), append(needs, other.used())
		}
	}
	share, refused, evict := planEviction(needs, 0, p.total)
	if refused {
		p.refused.WithLabelValues("total").Inc()
		return &Error{Needed: needs[0], Limit: share, Total: true}, nil
	}
	for _, i := range evict {
		other := accounts[i]
		p.refused.WithLabelValues("total").Inc()
		other.evicted = &Error{Needed: needs[i], Limit: share, Total: true}
		if f := other.onEvict; f != nil {
			callbacks = append(callbacks, func() { f(other.evicted) })
		}
	}
	return nil, callbacks
}

// Commit sets the memory of the cluster to n bytes and releases its reservations. With 0 an eviction
// is completed, and the cluster may reserve memory again.
func (a *Account) Commit(n int64) {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.closed {
		n = 0
	}
	p.used += n - a.used()
	a.committed, a.reserved = n, 0
	if n == 0 {
		a.evicted = nil
	}
}

// OnEvict registers a function that is called with an *Error when the cluster is evicted, because
// others need its memory. From then on the cluster is refused until it calls Commit(0). f must not
// block.
func (a *Account) OnEvict(f func(error)) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.onEvict = f
}

// Close releases the memory of the cluster. Later commits have no effect.
func (a *Account) Close() {
	a.Commit(0)
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	a.closed, a.onEvict = true, nil
	if p.accounts[a.cluster] == a {
		delete(p.accounts, a.cluster)
	}
}

var (
	usedDesc    = prometheus.NewDesc("rollcall_state_memory_bytes", "Estimated memory of the states of all clusters, including states that are being received.", nil, nil)
	largestDesc = prometheus.NewDesc("rollcall_state_memory_largest_bytes", "Estimated memory of the state of the largest cluster. There is no metric by cluster, as clients that may read metrics may not be allowed to read all clusters.", nil, nil)
	limitDesc   = prometheus.NewDesc("rollcall_state_memory_limit_bytes", "Limits of the memory of states, by limit: cluster, for one cluster; total, for all clusters. 0 means no limit.", []string{"limit"}, nil)
)

// Describe implements prometheus.Collector.
func (p *Pool) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{usedDesc, largestDesc, limitDesc} {
		out <- d
	}
	p.refused.Describe(out)
}

// Collect implements prometheus.Collector.
func (p *Pool) Collect(out chan<- prometheus.Metric) {
	p.mu.Lock()
	sizes := make([]int64, 0, len(p.accounts)+1)
	for _, a := range p.accounts {
		sizes = append(sizes, a.used())
	}
	used := p.used
	p.mu.Unlock()
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(usedDesc, used)
	gauge(largestDesc, slices.Max(append(sizes, 0)))
	gauge(limitDesc, max(p.total, 0), "total")
	gauge(limitDesc, max(p.cluster, 0), "cluster")
	p.refused.Collect(out)
}
