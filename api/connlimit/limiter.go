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

// DefaultMaxPerAddress is how many connections one address may have open at once whose
// callers have not said yet who they are.
const DefaultMaxPerAddress = 256

// Config says what a Limiter lets through.
type Config struct {
	// Max is how many connections are open at once, of which half may be of callers that are
	// not authenticated. Where one more comes, the oldest of these is closed: a caller that
	// can say who it is does so at once, and finds a place however many others say nothing.
	// It has to be above zero.
	Max int
	// MaxPerAddress is how many connections of one address (Key) are open at once that are
	// not authenticated; 0: DefaultMaxPerAddress, below: there is no such limit, and none for
	// all of them together.
	MaxPerAddress int
	// TrustedProxies are the addresses of which X-Forwarded-For is believed. Their
	// connections count for no address; their requests count for the address that they were
	// forwarded for.
	TrustedProxies []netip.Prefix
	// Log is told, now and then, that somebody was over a limit; nil: nobody is.
	Log *slog.Logger
}

// DefaultMax returns a Config.Max for this process: half of the files that it may have
// open, as it needs others for links, stores and logs, and ceiling at most.
func DefaultMax(ceiling int) int {
	files, ok := openFiles()
	if !ok {
		return ceiling
	}
	return int(min(uint64(ceiling), max(files/2, 1))) //nolint:gosec // ceiling is a small constant of the caller
}

// Limiter counts connections. It is safe for concurrent use.
type Limiter struct {
	config  Config
	unknown limit // not authenticated, all together
	address limit // not authenticated, of one address
	log     rate.Sometimes

	mu sync.Mutex
	// Under mu:
	open            int
	unauthenticated list.List          // of *conn: not authenticated, the oldest first
	counts          map[netip.Addr]int // not authenticated, by Key
	refused         Refused
}

// limit is a number that must not be exceeded; below zero there is none.
type limit int

func (l limit) reached(n int) bool { return l >= 0 && n >= int(l) }

// Refused counts what was closed, or answered by 429, because of a limit.
type Refused struct {
	// Total is because of Config.Max, or of the share of it for callers that are not
	// authenticated.
	Total uint64
	// PerAddress is because of Config.MaxPerAddress.
	PerAddress uint64
}

// New returns a Limiter.
func New(c Config) *Limiter {
	l := &Limiter{config: c, counts: map[netip.Addr]int{}, log: rate.Sometimes{First: 1, Interval: 10 * time.Second}}
	switch {
	case c.MaxPerAddress < 0:
		l.unknown, l.address = -1, -1
	case c.MaxPerAddress == 0:
		l.address = DefaultMaxPerAddress
	default:
		l.address = limit(c.MaxPerAddress)
	}
	if l.address >= 0 {
		l.unknown = limit((c.Max + 1) / 2)
	}
	return l
}

// Open returns how many connections are open.
func (l *Limiter) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Refused returns what was over a limit so far.
func (l *Limiter) Refused() Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// admit counts a new connection. It returns nil where that is over a limit, and the
// connection that has to be closed in its place where there is one.
func (l *Limiter) admit(c net.Conn) (admitted, evicted *conn) {
	from := addrOf(c.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	admitted = &conn{Conn: c, slot: slot{limiter: l, key: Key(from)}, proxied: contains(l.config.TrustedProxies, from)}
	if !admitted.proxied && l.address.reached(l.counts[admitted.slot.key]) {
		l.refuse(&l.refused.PerAddress, "connections of one address that are not authenticated", from)
		return nil, nil
	}
	if l.open >= l.config.Max || !admitted.proxied && l.unknown.reached(l.unauthenticated.Len()) {
		l.refuse(&l.refused.Total, "all connections, or all that are not authenticated", from)
		oldest := l.unauthenticated.Front()
		if oldest == nil {
			return nil, nil
		}
		evicted = oldest.Value.(*conn)
		evicted.leaveLocked()
	}
	l.open++
	if !admitted.proxied {
		admitted.slot.countLocked()
		admitted.place = l.unauthenticated.PushBack(admitted)
	}
	return admitted, evicted
}

// admitRequest counts a request that a proxy forwarded for an address; it returns nil
// where that has too many.
func (l *Limiter) admitRequest(from netip.Addr) *slot {
	s := &slot{limiter: l, key: Key(from)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.address.reached(l.counts[s.key]) {
		l.refuse(&l.refused.PerAddress, "requests for one address that are not authenticated", from)
		return nil
	}
	s.countLocked()
	return s
}

// refuse counts and logs. l.mu is held.
func (l *Limiter) refuse(counter *uint64, what string, from netip.Addr) {
	*counter++
	if l.config.Log != nil {
		l.log.Do(func() {
			l.config.Log.Warn("connections are closed because a limit is reached", "limit", what, "address", from, "open", l.open, "refused", l.refused.Total+l.refused.PerAddress)
		})
	}
}

// slot is what a connection, or a request that was forwarded, counts for its address until
// its caller is authenticated, or it ends.
type slot struct {
	limiter *Limiter
	key     netip.Addr
	counted bool // under limiter.mu
}

func (s *slot) countLocked() {
	s.limiter.counts[s.key]++
	s.counted = true
}

// leaveLocked has the slot count no longer. limiter.mu is held.
func (s *slot) leaveLocked() {
	if !s.counted {
		return
	}
	s.counted = false
	if s.limiter.counts[s.key]--; s.limiter.counts[s.key] <= 0 {
		delete(s.limiter.counts, s.key)
	}
}
