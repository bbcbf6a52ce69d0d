package connlimit

import (
	"container/list"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultMaxPerAddress is the default limit of unauthenticated connections per address.
const DefaultMaxPerAddress = 256

// Config has the limits of a Limiter.
type Config struct {
	// Max is the largest number of open connections, half of which may be unauthenticated. Above
	// that, the oldest unauthenticated connection is closed: a client that can authenticate does
	// so immediately, and gets a connection however many others do not. It must be positive.
	Max int
	// MaxPerAddress is the largest number of unauthenticated connections per address (Key); 0
	// means DefaultMaxPerAddress. A negative value means no limit, and no limit of unauthenticated
	// connections in total either.
	MaxPerAddress int
	// TrustedProxies are the addresses whose X-Forwarded-For is used. Their connections do not
	// count for an address; their requests count for the forwarded address.
	TrustedProxies []netip.Prefix
	// Log receives a warning at most every ten seconds when a limit is exceeded; nil: none.
	Log *slog.Logger
}

// DefaultMax returns a Config.Max for this process: half of its limit of open files, since it
// needs others for connections to agents, stores and logs, and at most ceiling.
func DefaultMax(ceiling int) int {
	files, ok := maxOpenFiles()
	if !ok {
		return ceiling
	}
	return int(min(uint64(ceiling), max(files/2, 1))) //nolint:gosec // ceiling is a small constant of the caller
}

// Limiter counts connections. It is safe for concurrent use.
type Limiter struct {
	config             Config
	unauthenticatedMax limit // of all unauthenticated connections
	addressMax         limit // of the unauthenticated connections of one address
	log                rate.Sometimes

	mu sync.Mutex
	// Guarded by mu:
	open            int
	unauthenticated list.List          // of *conn, the oldest first; without those of proxies
	counts          map[netip.Addr]int // of unauthenticated connections and requests, by Key
	refused         Refused
}

// limit is a maximum; a negative one means unlimited.
type limit int

func (l limit) reached(n int) bool { return l >= 0 && n >= int(l) }

// Refused counts connections that were closed, and requests that were answered 429, because of a
// limit.
type Refused struct {
	// Total counts those because of Config.Max or its share for unauthenticated connections.
	Total uint64
	// PerAddress counts those because of Config.MaxPerAddress.
	PerAddress uint64
}

// New returns a Limiter.
func New(c Config) *Limiter {
	l := &Limiter{config: c, counts: map[netip.Addr]int{}, log: rate.Sometimes{First: 1, Interval: 10 * time.Second}}
	switch {
	case c.MaxPerAddress < 0:
		l.unauthenticatedMax, l.addressMax = -1, -1
	case c.MaxPerAddress == 0:
		l.addressMax = DefaultMaxPerAddress
	default:
		l.addressMax = limit(c.MaxPerAddress)
	}
	if l.addressMax >= 0 {
		l.unauthenticatedMax = limit((c.Max + 1) / 2)
	}
	return l
}

// Open returns the number of open connections.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Refused returns the counts of refused connections and requests so far.
func (l *Limiter) Refused() Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// admit counts a new connection. It returns nil if that exceeds a limit, and the connection that
// has to be closed in exchange, if any.
func (l *Limiter) admit(c net.Conn) (admitted, evicted *conn) {
	from := addrOf(c.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	admitted = &conn{Conn: c, count: addressCount{limiter: l, key: Key(from)}, fromProxy: contains(l.config.TrustedProxies, from)}
	if !admitted.fromProxy && l.addressMax.reached(l.counts[admitted.count.key]) {
		l.refuse(&l.refused.PerAddress, "connections of one address that are not authenticated", from)
		return nil, nil
	}
	if l.open >= l.config.Max || !admitted.fromProxy && l.unauthenticatedMax.reached(l.unauthenticated.Len()) {
		l.refuse(&l.refused.Total, "all connections, or all that are not authenticated", from)
		oldest := l.unauthenticated.Front()
		if oldest == nil {
			return nil, nil
		}
		evicted = oldest.Value.(*conn)
		evicted.releaseCountLocked()
	}
	l.open++
	if !admitted.fromProxy {
		admitted.count.countLocked()
		admitted.element = l.unauthenticated.PushBack(admitted)
	}
	return admitted, evicted
}

// admitRequest counts a forwarded request for an address. It returns nil if that exceeds the
// limit.
func (l *Limiter) admitRequest(from netip.Addr) *addressCount {
	c := &addressCount{limiter: l, key: Key(from)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.addressMax.reached(l.counts[c.key]) {
		l.refuse(&l.refused.PerAddress, "requests for one address that are not authenticated", from)
		return nil
	}
	c.countLocked()
	return c
}

// refuse counts and logs a refusal. l.mu must be held.
func (l *Limiter) refuse(counter *uint64, what string, from netip.Addr) {
	*counter++
	if l.config.Log != nil {
		l.log.Do(func() {
			l.config.Log.Warn("closed connections over a limit", "limit", what, "address", from, "open", l.open, "refused", l.refused.Total+l.refused.PerAddress)
		})
	}
}

// addressCount counts one connection or forwarded request in Limiter.counts, until the client is
// authenticated or the connection or request ends.
type addressCount struct {
	limiter *Limiter
	key     netip.Addr
	counted bool // guarded by limiter.mu
}

// countLocked starts counting. limiter.mu must be held.
func (c *addressCount) countLocked() {
	c.limiter.counts[c.key]++
	c.counted = true
}

// releaseLocked stops counting. limiter.mu must be held.
func (c *addressCount) releaseLocked() {
	if !c.counted {
		return
	}
	c.counted = false
	if c.limiter.counts[c.key]--; c.limiter.counts[c.key] <= 0 {
		delete(c.limiter.counts, c.key)
	}
}
