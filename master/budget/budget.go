// Package budget bounds the memory that the states of all clusters take together, and
// shares it fairly between them: a cluster that needs more than its share is refused, and
// cannot push out one that does not.
//
// What is counted is what clusters' objects are estimated to take once they are decoded,
// from the moment before they are.
package budget

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/api/wire"
)

// Names of the flags that set the limits, for error messages.
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

// New returns a Pool of so many bytes for all clusters together, of which one may have
// at most so many; 0 or less is no limit.
func New(total, cluster int64) *Pool {
	return &Pool{
		total: total, cluster: cluster, accounts: map[string]*Account{},
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_state_refusals_total", Help: "States of clusters that were refused because they take too much memory, by the limit that they exceed: cluster (of one), or total (of all together, of which the cluster took more than its share).",
		}, []string{"limit"}),
	}
}

// Used returns the bytes that all clusters take.
func (p *Pool) Used() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}

// Account returns the cluster's Account, which is made where there is none.
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

// Account is what one cluster takes: what it holds, and what was reserved for what is
// about to be decoded. Its methods are safe for concurrent use.
type Account struct {
	pool    *Pool
	cluster string

	// All below is under the pool's lock.
	committed, reserved int64
	// leaving: it has to give way, and what it takes counts as free.
	evicted *Error
	// giveWay is called once it has to; nil: nobody wants to know.
	onEvict func(error)
	closed  bool
}

// Error says why a cluster is refused, and what would make room. It is a wire.ErrBudget.
type Error struct {
	// Needed is what the cluster would take, Limit what it may, in bytes.
	Needed, Limit int64
	// Total says that the limit is the cluster's share of what all take together, and not
	// that of one cluster.
	Total bool
}

// Error implements error.
func (e *Error) Error() string {
	if e.Total {
		return fmt.Sprintf("%v: it needs %s or more, and all clusters together have no room for that: its share is %s; see %s", wire.ErrBudget, bytes(e.Needed), bytes(e.Limit), TotalFlag)
	}
	return fmt.Sprintf("%v: it needs %s or more, and one cluster may have %s; see %s", wire.ErrBudget, bytes(e.Needed), bytes(e.Limit), ClusterFlag)
}

// Unwrap returns wire.ErrBudget.
func (e *Error) Unwrap() error { return wire.ErrBudget }

func bytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func (a *Account) total() int64 { return a.committed + a.reserved }

// Reserve implements wire.Budget: n bytes more are taken until Hold. Where all clusters
// would take too much the others that take more than their share have to give way, unless
// this one does. An error is an *Error.
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

// reserve returns what has to be called once the lock is free, too.
func (a *Account) reserveLocked(n int64) (refusal *Error, callbacks []func()) {
	p := a.pool
	needed := a.total() + n
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

// makeRoom makes room for n more bytes of a: it refuses a, or makes other accounts give way.
func (p *Pool) reclaim(a *Account, n int64) (refusal *Error, callbacks []func()) {
	if p.total <= 0 || p.used+n <= p.total {
		return nil, nil
	}
	all := []*Account{a}
	claims := []int64{a.total() + n}
	for _, other := range p.accounts {
		if other != a && other.evicted == nil && other.total() > 0 {
			all, claims = append(all, other), append(claims, other.total())
		}
	}
	share, refused, evict := planEviction(claims, 0, p.total)
	if refused {
		p.refused.WithLabelValues("total").Inc()
		return &Error{Needed: claims[0], Limit: share, Total: true}, nil
	}
	for _, i := range evict {
		other := all[i]
		p.refused.WithLabelValues("total").Inc()
		other.evicted = &Error{Needed: claims[i], Limit: share, Total: true}
		if f := other.onEvict; f != nil {
			callbacks = append(callbacks, func() { f(other.evicted) })
		}
	}
	return nil, callbacks
}

// Hold says what the cluster holds now: n bytes, with nothing to come.
func (a *Account) Commit(n int64) {
	p := a.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.closed {
		n = 0
	}
	p.used += n - a.total()
	a.committed, a.reserved = n, 0
	if n == 0 {
		a.evicted = nil
	}
}

// OnGiveWay has f called when the cluster has to give its memory back because others need
// it: from then on it is refused, until it holds nothing. F must not wait. The error is an
// *Error.
func (a *Account) OnEvict(f func(error)) {
	a.pool.mu.Lock()
	defer a.pool.mu.Unlock()
	a.onEvict = f
}

// Close has the cluster take nothing from now on.
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
	usedDesc    = prometheus.NewDesc("rollcall_state_memory_bytes", "Memory that the states of all clusters are estimated to take, with what is being received.", nil, nil)
	largestDesc = prometheus.NewDesc("rollcall_state_memory_largest_bytes", "Memory that the state of the largest cluster is estimated to take. It is not by cluster: who may see this may not see all of them.", nil, nil)
	limitDesc   = prometheus.NewDesc("rollcall_state_memory_limit_bytes", "Limits of the memory of states, of one cluster and of all in total; 0: none.", []string{"limit"}, nil)
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
	taken := make([]int64, 0, len(p.accounts)+1)
	for _, a := range p.accounts {
		taken = append(taken, a.total())
	}
	used := p.used
	p.mu.Unlock()
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	gauge(usedDesc, used)
	gauge(largestDesc, slices.Max(append(taken, 0)))
	gauge(limitDesc, max(p.total, 0), "total")
	gauge(limitDesc, max(p.cluster, 0), "cluster")
	p.refused.Collect(out)
}
