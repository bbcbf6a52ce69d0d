package connlimit

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// fakeConn is a connection with an address.
type fakeConn struct {
	net.Conn
	remote net.Addr
	closed int
}

func (c *fakeConn) RemoteAddr() net.Addr { return c.remote }
func (c *fakeConn) Close() error         { c.closed++; return nil }

func from(address string) *fakeConn {
	return &fakeConn{remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 1))}
}

// connect opens n connections of an address and returns those that are admitted. It closes evicted
// ones.
func connect(l *Limiter, address string, n int) (in []*conn) {
	for range n {
		c, evicted := l.admit(from(address))
		if evicted != nil {
			_ = evicted.Close()
		}
		if c != nil {
			in = append(in, c)
		}
	}
	return in
}

// open returns the connections that are still open.
func open(conns []*conn) (left []*conn) {
	for _, c := range conns {
		if c.Conn.(*fakeConn).closed == 0 {
			left = append(left, c)
		}
	}
	return left
}

func want(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestAddressLimitKeepsCapacityForOthers(t *testing.T) {
	l := New(Config{Max: 100, MaxPerAddress: 10})
	first := connect(l, "203.0.113.7", 1000)
	want(t, "of one address", len(first), 10)
	want(t, "of the same, mapped", len(connect(l, "::ffff:203.0.113.7", 5)), 0)
	want(t, "of a /64", len(connect(l, "2001:db8::1", 6))+len(connect(l, "2001:db8::2", 6)), 10)
	want(t, "of the next /64", len(connect(l, "2001:db8:0:1::1", 6)), 6)
	for _, c := range first[:4] {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
	}
	want(t, "after four were closed", len(connect(l, "203.0.113.7", 1000)), 4)
	first[5].authenticated()
	first[5].authenticated()
	want(t, "after one is authenticated", len(connect(l, "203.0.113.7", 1000)), 1)
	_ = first[5].Close()
	want(t, "after the authenticated one was closed", len(connect(l, "203.0.113.7", 1000)), 0)
	if r := l.Refused(); r.Total != 0 || r.PerAddress == 0 {
		t.Errorf("refused: %+v, want some for their address", r)
	}
}

func TestUnauthenticatedConnectionsLeaveCapacityForOthers(t *testing.T) {
	var log bytes.Buffer
	l := New(Config{Max: 10, MaxPerAddress: 3, Log: slog.New(slog.NewTextHandler(&log, nil))})
	var unauthenticated []*conn
	for _, address := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"} {
		unauthenticated = append(unauthenticated, connect(l, address, 3)...)
	}
	want(t, "unauthenticated, of several addresses", len(open(unauthenticated)), 5)
	if unauthenticated[6].Conn.(*fakeConn).closed == 0 || unauthenticated[7].Conn.(*fakeConn).closed > 0 {
		t.Error("another connection than the oldest was closed")
	}
	authenticated := open(unauthenticated)
	for _, c := range authenticated {
		c.authenticated()
	}
	more := append(connect(l, "203.0.113.5", 3), connect(l, "203.0.113.6", 3)...)
	want(t, "more once these are authenticated", len(open(more)), 5)
	want(t, "open", l.Open(), 10)
	late := connect(l, "203.0.113.7", 1)
	want(t, "of another address", len(open(late)), 1)
	want(t, "open in all", l.Open(), 10)
	want(t, "that are authenticated", len(open(authenticated)), 5)
	for _, c := range append(open(more), late...) {
		c.authenticated()
	}
	want(t, "if all are authenticated", len(connect(l, "203.0.113.8", 1)), 0)
	if n := strings.Count(log.String(), "over a limit"); n != 1 {
		t.Errorf("got %d log lines about it, want 1:\n%s", n, &log)
	}
}

func TestNoAddressLimit(t *testing.T) {
	l := New(Config{Max: 1000, MaxPerAddress: -1})
	want(t, "of one address", len(open(connect(l, "203.0.113.7", 2000))), 1000)
}

func TestTrustedProxiesAreNotLimited(t *testing.T) {
	l := New(Config{Max: 1000, MaxPerAddress: 2, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	want(t, "of a proxy", len(connect(l, "10.0.0.1", 700)), 700)
	want(t, "of an address", len(connect(l, "203.0.113.7", 7)), 2)
	want(t, "of a proxy, up to the total", len(connect(l, "10.0.0.1", 700)), 300)
	want(t, "open", l.Open(), 1000)
}

func TestDefaultMax(t *testing.T) {
	files, ok := maxOpenFiles()
	if !ok {
		t.Fatal("the limit of open files is unknown")
	}
	want(t, "below a high ceiling", DefaultMax(1<<40), int(files/2))
	want(t, "below a low ceiling", DefaultMax(3), 3)
}
