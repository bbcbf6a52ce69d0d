package membership

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
)

const (
	// ttl is how long a master is alive after its last heartbeat or the last renewal of its Lease.
	ttl = 8 * time.Second
	// interval is the time between heartbeats, and between renewals.
	interval = 2 * time.Second
	// freezeAfter is how long neither Leases nor Redis can be reached until the view is frozen. It is shorter than ttl
	// less interval, so that no other master expires before.
	freezeAfter = 5 * time.Second
	// settleTime is how long a master that cannot read Leases waits for heartbeats before it owns clusters.
	settleTime = 3 * time.Second
	// checkInterval is the time between two checks whether a master has expired.
	checkInterval = 500 * time.Millisecond
	// handOverTime is how long a cluster stays with the next master.
	handOverTime = 10 * time.Minute
	// beatDelay limits the heartbeats that answer those of new masters.
	beatDelay = 50 * time.Millisecond
	// announceInterval is the time after which unchanged links and handed over clusters are announced again, as a
	// message can be lost. announceDelay collects changes.
	announceInterval = 5 * time.Second
	announceDelay    = 250 * time.Millisecond
	// requestTimeout limits a request to the hub or to Redis.
	requestTimeout = 3 * time.Second
)

// Channel passes messages between masters. See rediscache.Cache.
type Channel interface {
	Send(ctx context.Context, kind byte, payload []byte) error
	Receive(ctx context.Context, handle func(sender string, kind byte, payload []byte), connected func()) error
}

// Config configures a Members.
type Config struct {
	// Name is the name of this master, by which it is ranked: that of its pod. No other process may have it at the same
	// time. The Lease is named rollcall-master-NAME.
	Name string
	// Incarnation is the ID of this process, as the Channel gives it to the other masters.
	Incarnation string
	// PodName and PodUID are the pod that owns the Lease, so that the Lease is deleted with it. They may be empty.
	PodName string
	PodUID  types.UID
	Channel Channel
	Leases  LeaseClient
	// OnChange is called when the owner of any cluster may have changed. It may be nil.
	OnChange func()
	// OnWant is called when another master tells that a cluster has demand for the next d. It must not block, and may
	// be nil.
	OnWant func(cluster string, d time.Duration)
	// OnMessage is called with the messages of living masters of other kinds. It must not block, must not keep the
	// payload, and may be nil. The kinds h, l, o and w belong to this package.
	OnMessage func(kind byte, payload []byte)
	// OnReset is called when another master has come, or messages may have been lost, so that this master should send its
	// state again. It must not block, and may be nil.
	OnReset func()
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Member is a master.
type Member struct{ Name, Incarnation string }

// Members knows the masters that share a Redis. Its methods may be called by any goroutine, and do not block, except
// for Run and Drain.
type Members struct {
	cfg   Config
	lease leaseKeeper
	// beat, announce and check wake the goroutines of Run.
	beat, announce, check chan struct{}

	mu    sync.Mutex
	view  view
	wants map[string]time.Duration // that have not been sent
}

// New returns a Members that knows nobody until Run is called.
func New(cfg Config) *Members {
	if cfg.Incarnation == "" {
		cfg.Incarnation = rand.Text()
	}
	m := &Members{
		cfg: cfg, wants: map[string]time.Duration{}, view: newView(Member{cfg.Name, cfg.Incarnation}),
		beat: make(chan struct{}, 1), announce: make(chan struct{}, 1), check: make(chan struct{}, 1),
	}
	m.lease = leaseKeeper{client: cfg.Leases, config: &m.cfg}
	registerMetrics(cfg.Metrics, m)
	return m
}

// wake wakes the goroutine that waits for c.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// locked calls f with the view at the current time. It lets Run find out whether owners have changed.
func (m *Members) locked(f func(v *view, now time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.view.advance(now)
	before := m.view.changes
	f(&m.view, now)
	if m.view.changes != before {
		wake(m.check)
	}
}

// Owner returns the owner of a cluster. It is the zero Member if there is none, as while all masters are about to stop.
func (m *Members) Owner(cluster string) (owner Member) {
	m.locked(func(v *view, now time.Time) { owner = v.owner(cluster, now) })
	return owner
}

// Owns reports whether this master owns a cluster.
func (m *Members) Owns(cluster string) bool {
	return m.Owner(cluster) == Member{m.cfg.Name, m.cfg.Incarnation}
}

// Alive returns the masters that are alive and not about to stop, by name. This master is one of them while others can
// see it alive.
func (m *Members) Alive() (alive []Member) {
	m.locked(func(v *view, now time.Time) {
		for _, c := range v.candidates(now) {
			alive = append(alive, c.Member)
		}
	})
	slices.SortFunc(alive, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return alive
}

// Frozen reports whether this master can reach neither the Leases nor Redis. It then does not know which masters are
// alive, and keeps its last view. Another master may own what it owns: what it dials, it should dial without replacing the
// session of another master.
func (m *Members) Frozen() (frozen bool) {
	m.locked(func(v *view, now time.Time) { frozen = v.frozen(now) })
	return frozen
}

// HandOver hands a cluster over to the next master for 10 minutes, as this one could not dial its agent. If no other
// master is left, this master keeps it.
func (m *Members) HandOver(cluster string) {
	m.locked(func(v *view, now time.Time) {
		if v.handOver(hash(cluster), now) {
			wake(m.announce)
		}
	})
}

// AnnounceLinks tells the other masters which clusters have a link to this one.
func (m *Members) AnnounceLinks(clusters []string) {
	hashes := make([]uint64, 0, min(len(clusters), maxLinks))
	for _, name := range clusters[:min(len(clusters), maxLinks)] {
		hashes = append(hashes, hash(name))
	}
	slices.Sort(hashes)
	m.locked(func(v *view, _ time.Time) {
		if v.self.setLinks(v, hashes) {
			wake(m.announce)
		}
	})
}

// Want tells the other masters that a cluster has demand at this master for the next d.
func (m *Members) Want(cluster string, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.wants) < maxWants {
		m.wants[cluster] = max(d, m.wants[cluster])
	}
	wake(m.announce)
}

// Drain tells the other masters that this one is about to stop, so that they take over its clusters, and deletes its Lease.
func (m *Members) Drain(ctx context.Context) error {
	m.locked(func(v *view, _ time.Time) { v.drain() })
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return errors.Join(m.sendHeartbeat(ctx), m.lease.delete(ctx))
}

// Run takes part in the membership until ctx ends. After that, this master owns nothing.
func (m *Members) Run(ctx context.Context) error {
	defer m.locked(func(v *view, _ time.Time) { v.drain() })
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return m.cfg.Channel.Receive(ctx, m.handle, m.connected) })
	for _, r := range []repeated{
		{every: interval, delay: beatDelay, woken: m.beat, do: m.heartbeat},
		{every: interval, do: m.renew},
		{every: announceInterval, delay: announceDelay, woken: m.announce, do: m.sendAnnouncements},
		{every: checkInterval, woken: m.check, do: m.checkChanges()},
	} {
		all.Go(func() error { r.run(ctx); return nil })
	}
	return all.Wait()
}

// repeated is something that is done at once, then at every interval, and when woken, but not within delay of the last
// time.
type repeated struct {
	every, delay time.Duration
	woken        <-chan struct{}
	do           func(context.Context)
}

// run runs until ctx ends.
func (r repeated) run(ctx context.Context) {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for ctx.Err() == nil {
		r.do(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(r.delay):
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-r.woken:
		}
	}
}

// connected is called when messages may have been lost.
func (m *Members) connected() {
	m.locked(func(v *view, now time.Time) { v.connected(now) })
	wake(m.beat)
	wake(m.announce)
	m.reset()
}

func (m *Members) reset() {
	if m.cfg.OnReset != nil {
		m.cfg.OnReset()
	}
}

// heartbeat sends a heartbeat. The Channel logs errors.
func (m *Members) heartbeat(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	_ = m.sendHeartbeat(ctx)
}

func (m *Members) sendHeartbeat(ctx context.Context) error {
	var payload []byte
	var start time.Time
	m.locked(func(v *view, now time.Time) { payload, start = v.heartbeat(now).encode(), now })
	if err := m.cfg.Channel.Send(ctx, kindHeartbeat, payload); err != nil {
		return err
	}
	m.locked(func(v *view, _ time.Time) { v.sent(start) })
	return nil
}

// sendAnnouncements sends the links of this master, the clusters that it has handed over, and new wants.
func (m *Members) sendAnnouncements(ctx context.Context) {
	var messages []announcement
	m.locked(func(v *view, now time.Time) {
		messages = v.announcements(now)
		for _, part := range encodeWants(m.wants) {
			messages = append(messages, announcement{kindWants, part})
		}
		clear(m.wants)
	})
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, a := range messages {
		if m.cfg.Channel.Send(ctx, a.kind, a.payload) != nil {
			return // the Channel has logged it; links and handed over clusters are announced again
		}
	}
}

// handle handles a message of another master.
func (m *Members) handle(sender string, kind byte, payload []byte) {
	switch kind {
	case kindHeartbeat:
		m.handleHeartbeat(sender, payload)
	case kindLinks:
		if part, ok := decodeLinks(payload); ok {
			m.locked(func(v *view, now time.Time) { v.receiveLinks(sender, part, now) })
		}
	case kindHandOvers:
		if h, ok := decodeHandOvers(payload); ok {
			m.locked(func(v *view, now time.Time) { v.receiveHandOvers(sender, h, now) })
		}
	default:
		known := false
		m.locked(func(v *view, now time.Time) { known = v.of(sender, now) != nil })
		switch {
		case !known:
		case kind == kindWants && m.cfg.OnWant != nil:
			for cluster, d := range decodeWants(payload) {
				m.cfg.OnWant(cluster, d)
			}
		case kind != kindWants && m.cfg.OnMessage != nil:
			m.cfg.OnMessage(kind, payload)
		}
	}
}

func (m *Members) handleHeartbeat(sender string, payload []byte) {
	h, ok := decodeHeartbeat(payload)
	if !ok {
		return
	}
	var reply, isNew bool
	m.locked(func(v *view, now time.Time) { reply, isNew = v.receiveHeartbeat(sender, h, now) })
	if reply {
		wake(m.beat)
	}
	if isNew {
		wake(m.announce)
		m.reset()
	}
}

// checkChanges returns a function that calls OnChange if the owner of any cluster may have changed since its last call.
func (m *Members) checkChanges() func(context.Context) {
	var last summary
	return func(context.Context) {
		var current summary
		m.locked(func(v *view, now time.Time) { current = v.summarize(now) })
		if current.equal(last) {
			return
		}
		m.logChange(last, current)
		last = current
		if m.cfg.OnChange != nil {
			m.cfg.OnChange()
		}
	}
}

// logChange logs what has changed.
func (m *Members) logChange(before, now summary) {
	if !slices.Equal(before.candidates, now.candidates) {
		names := make([]string, 0, len(now.candidates))
		for _, c := range now.candidates {
			names = append(names, c.Name)
		}
		m.cfg.Log.Info("the masters that share the clusters have changed", "masters", names)
	}
	switch {
	case now.frozen && !before.frozen:
		m.cfg.Log.Warn("cannot reach the Leases of the masters nor Redis; this master does not know which masters are alive, and keeps its last view")
	case before.frozen && !now.frozen:
		m.cfg.Log.Info("the Leases of the masters or Redis can be reached again")
	}
	if now.replaced && !before.replaced {
		m.cfg.Log.Error("another process has taken the Lease of this master; this one owns no clusters: give each master a name of its own (--pod-name)", "name", m.cfg.Name)
	}
}
