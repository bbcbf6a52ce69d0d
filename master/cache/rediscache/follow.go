package rediscache

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/report"
)

const (
	// maxFollowLoads limits how many clusters are loaded at a time because announced saves do not follow what this
	// master has.
	maxFollowLoads = 4
	// followLoadTimeout limits a load.
	followLoadTimeout = 5 * time.Second
)

// Follow implements cache.Feed. Messages that are lost make a gap in the chain of records, and the cluster is loaded
// when its next message arrives.
func (r *Cache) Follow(ctx context.Context, f cache.Follower) error {
	l := &feed{cache: r, follower: f, slots: make(chan struct{}, maxFollowLoads), loading: map[string]*feedLoad{}}
	defer l.loads.Wait()
	return r.listen(ctx, r.saves, func(b []byte) { l.handle(ctx, b) }, func() {})
}

// feed is one call of Follow.
type feed struct {
	cache    *Cache
	follower cache.Follower
	slots    chan struct{}
	loads    sync.WaitGroup

	mu sync.Mutex
	// loading has the clusters that are being loaded.
	loading map[string]*feedLoad
}

// feedLoad is the load of a cluster.
type feedLoad struct {
	// again reports whether a message has arrived since the load began.
	again bool
}

// handle processes a message.
func (l *feed) handle(ctx context.Context, payload []byte) {
	m, err := parseSaveMessage(payload)
	if err != nil {
		l.cache.recorder.record("", err)
		return
	}
	if m.sender == l.cache.holder {
		return
	}
	ttl, ok := l.follower.TTL(m.cluster)
	if !ok || l.delayedByLoad(m.cluster) {
		return
	}
	next, err := l.cache.follow(m, time.Now(), ttl, l.follower.Compact)
	switch {
	case errors.Is(err, errGap):
		l.load(ctx, m.cluster)
	case errors.Is(err, errOlder):
	case err != nil:
		l.cache.recorder.record(m.cluster, err)
	default:
		l.follower.OnReport(next)
	}
}

// delayedByLoad reports whether a cluster is being loaded, and makes the load repeat.
func (l *feed) delayedByLoad(cluster string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.loading[cluster]
	if current != nil {
		current.again = true
	}
	return current != nil
}

// load starts a goroutine that loads a cluster until no message arrives meanwhile.
func (l *feed) load(ctx context.Context, cluster string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loading[cluster] = &feedLoad{}
	l.loads.Go(func() {
		l.slots <- struct{}{}
		defer func() { <-l.slots }()
		for l.loadOnce(ctx, cluster) {
		}
	})
}

// loadOnce loads a cluster, and reports whether it has to be loaded again.
func (l *feed) loadOnce(ctx context.Context, cluster string) (again bool) {
	if ttl, ok := l.follower.TTL(cluster); ok && ctx.Err() == nil {
		timed, cancel := context.WithTimeout(ctx, followLoadTimeout)
		defer cancel()
		if loaded, err := l.cache.read(timed, cluster, ttl); err == nil {
			l.cache.writer(cluster).continueFrom(loaded)
			l.follower.OnReport(loaded.report)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.loading[cluster]
	if again, current.again = current.again && ctx.Err() == nil, false; !again {
		delete(l.loading, cluster)
	}
	return again
}

var (
	// errGap means that a message does not follow what this master has of a cluster.
	errGap = errors.New("the message does not follow the last known record")
	// errOlder means that this master has a newer version than that in a message.
	errOlder = errors.New("the message has an older version")
)

// follow applies a message to what this master has of a cluster, and returns the resulting report. The error is errGap,
// errOlder or a refusal.
func (r *Cache) follow(m saveMessage, now time.Time, ttl time.Duration, compact func(string, *wire.LazyState) bool) (*report.Report, error) {
	key, err := r.keys.verify(m.cluster, m.head)
	if err != nil {
		return nil, err
	}
	p, err := m.head.parse(now, m.left, ttl)
	if err != nil {
		return nil, err
	}
	if !r.rollback.allow(m.cluster, p.version, p.received, now) {
		return nil, errOlder
	}
	w := r.writer(m.cluster)
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &loaded{report: &p.report, key: key, chain: w.chain}
	p.report.Cluster, p.report.Session.Holder = m.cluster, m.sender
	base, baseSize, frames, err := w.nextRecord(m, l, p)
	if err != nil {
		return nil, err
	}
	receiver := r.newReceiver(m.cluster, p.version.Epoch, base, baseSize)
	if err := r.decode(l, receiver, [][]byte{frames}, p, m.head["bookmark"]); err != nil {
		return nil, errGap // the entry in Redis decides
	}
	if compact(m.cluster, l.report.LazyState) {
		if c, err := receiver.Compact(r.codec); err == nil {
			l.report.LazyState = c
		}
	}
	l.report.Size = receiver.EvictedSize()
	r.rollback.record(m.cluster, seenEntry{version: p.version, received: p.received, expires: p.report.ExpiresAt}, now)
	w.keepLoaded(l)
	return l.report, nil
}

// nextRecord returns the frames in a message, and the State to which they are applied, which is nil if the record is a
// base. It sets the chain of l. The error is errGap or a refusal. w.mu must be held.
func (w *writer) nextRecord(m saveMessage, l *loaded, p parsedHead) (base *wire.LazyState, baseSize int64, frames []byte, err error) {
	isBase := len(m.previous) == 0
	follows := w.last != nil && w.last.Epoch == p.version.Epoch && w.keyID == l.key.id && bytes.Equal(m.previous, w.chain.lastMAC)
	switch {
	case !isBase && !follows:
		return nil, 0, nil, errGap
	case len(m.record) == 0 && string(w.chain.lastMAC) == m.head["chain"]: // only times have changed
		return w.last, w.size, nil, nil
	case len(m.record) == 0:
		return nil, 0, nil, errGap
	}
	if !isBase {
		base, baseSize = w.last, w.size
	}
	n, frames, err := l.extendChain(m, isBase)
	if err != nil {
		return nil, 0, nil, err
	}
	if n.epoch != p.version.Epoch || n.to != p.version.Seq || !isBase && n.from != w.last.Seq || l.chain.entries != p.entries {
		return nil, 0, nil, errGap
	}
	return base, baseSize, frames, nil
}

// extendChain verifies the record of a message, and sets the chain as it is in Redis after the save: the record was
// appended, or is a base, or has the changes to a base that was written instead. The error is errGap or a refusal.
func (l *loaded) extendChain(m saveMessage, isBase bool) (n recordNumbers, frames []byte, err error) {
	previous := m.previous
	if isBase {
		previous = nil
	}
	mac, n, frames, err := l.key.verifyRecord(m.cluster, previous, m.record)
	if err != nil {
		return n, nil, err
	}
	base, last := m.head["base"], m.head["chain"]
	switch {
	case base == last:
		baseLen, err := strconv.ParseInt(m.head["baseBytes"], 10, 64)
		if err != nil || isBase && string(mac) != base {
			return n, nil, errGap
		}
		l.chain = recordChain{baseMAC: []byte(base), lastMAC: []byte(last), baseLen: baseLen}
	case string(mac) == last && string(l.chain.baseMAC) == base:
		l.chain.lastMAC = mac
		l.chain.entries++
		l.chain.logLen += int64(len(m.record))
	default:
		return n, nil, errGap
	}
	return n, frames, nil
}

// continueFrom makes the next save or message continue from a report that was loaded.
func (w *writer) continueFrom(l *loaded) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keepLoaded(l)
}

// keepLoaded is continueFrom with w.mu held.
func (w *writer) keepLoaded(l *loaded) {
	w.keep(l.report, l.hash, l.key.id, l.chain, time.Until(cache.RetainUntil(l.report)))
}
