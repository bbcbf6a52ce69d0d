package connlimit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of in-memory connections, for virtual time.
type pipes struct {
	arrivals chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.arrivals:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// serve serves a handler in virtual time. play is called with a function that connects to it.
func serve(t *testing.T, handler http.HandlerFunc, play func(connect func() net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second, IdleTimeout: time.Second}
		done := make(chan error, 1)
		go func() { done <- server.Serve(p) }()
		play(func() net.Conn {
			client, inside := net.Pipe()
			p.arrivals <- inside
			return client
		})
		_ = server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// TestMissingBodyTimesOut sends requests that announce a body but send none, to a handler that reads
// it and to one that does not.
func TestMissingBodyTimesOut(t *testing.T) {
	for _, announced := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		for _, reads := range []bool{true, false} {
			serve(t, func(w http.ResponseWriter, r *http.Request) {
				LimitBodyTime(w, r)
				if reads {
					if _, err := io.ReadAll(r.Body); err == nil {
						t.Errorf("%s: the body came", announced)
					}
				}
				w.WriteHeader(http.StatusBadRequest)
			}, func(connect func() net.Conn) {
				c := connect()
				defer c.Close()
				defer time.AfterFunc(time.Minute, func() { c.Close() }).Stop() // where nothing else ends it
				begin := time.Now()
				fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n", announced)
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(begin); took > BodyTimeout+time.Second {
					t.Errorf("%s, reads %t: it lasted %s, want %s at most", announced, reads, took, BodyTimeout)
				}
			})
		}
	}
}

// TestSlowBodyTimesOut has a client that sends one byte per second.
func TestSlowBodyTimesOut(t *testing.T) {
	serve(t, func(w http.ResponseWriter, r *http.Request) {
		LimitBodyTime(w, r)
		_, _ = io.ReadAll(r.Body)
	}, func(connect func() net.Conn) {
		c := connect()
		defer c.Close()
		begin := time.Now()
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
		go io.Copy(io.Discard, c)
		for {
			if _, err := c.Write([]byte("a")); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		if took := time.Since(begin); took > BodyTimeout+2*time.Second {
			t.Errorf("it lasted %s, want %s at most", took, BodyTimeout)
		}
	})
}

// TestResponseIsNotLimitedByBodyTimeout checks that the deadline covers the body only.
func TestResponseIsNotLimitedByBodyTimeout(t *testing.T) {
	serve(t, func(w http.ResponseWriter, r *http.Request) {
		LimitBodyTime(w, r)
		body, err := io.ReadAll(r.Body)
		select {
		case <-time.After(time.Minute):
		case <-r.Context().Done():
			t.Error("the request was given up")
		}
		fmt.Fprintf(w, "%s %v", body, err)
	}, func(connect func() net.Conn) {
		c := connect()
		defer c.Close()
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(answer.Body); string(got) != "body <nil>" {
			t.Errorf("got %q", got)
		}
	})
}

// forwarded returns a request through a proxy's connection.
func forwarded(l *Limiter, proxy *conn, address string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-Forwarded-For", address)
	return r.WithContext(l.ConnContext(context.Background(), proxy))
}

func TestForwardedRequestsCountForClient(t *testing.T) {
	l := New(Config{Max: 100, MaxPerAddress: 2, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	ask := func(r *http.Request, next http.HandlerFunc) (status int) {
		w := httptest.NewRecorder()
		l.Handler(next, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })).ServeHTTP(w, r)
		return w.Code
	}
	proxy := connect(l, "10.0.0.1", 1)[0]
	inside := func(int) int { return 0 }
	nested := func(address string, depth int, authenticated bool) int {
		inside = func(left int) (status int) {
			return ask(forwarded(l, proxy, address), func(w http.ResponseWriter, r *http.Request) {
				if authenticated {
					Authenticated(r.Context())
				}
				if left > 1 {
					w.WriteHeader(inside(left - 1))
				}
			})
		}
		return inside(depth)
	}
	want(t, "two at once", nested("203.0.113.7", 2, false), 200)
	want(t, "three at once", nested("203.0.113.7", 3, false), 429)
	want(t, "three at once that are authenticated", nested("203.0.113.7", 3, true), 200)
	want(t, "three at once of the proxy itself", nested("10.0.0.9", 3, false), 200)
	want(t, "counts that are left", len(l.counts), 0)
	direct := connect(l, "203.0.113.8", 1)[0]
	want(t, "one that claims to be forwarded", ask(forwarded(l, direct, "203.0.113.9"), func(_ http.ResponseWriter, r *http.Request) {
		if l.counts[addr("203.0.113.9")] != 0 {
			t.Error("the header of an untrusted client is used")
		}
		Authenticated(r.Context())
	}), 200)
	want(t, "counts after it is authenticated", len(l.counts), 0)
}

// TestConnectionsOverTheLimitAreClosed uses real connections.
func TestConnectionsOverTheLimitAreClosed(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := New(Config{Max: 100, MaxPerAddress: 3})
	listener := l.Listener(inner)
	defer listener.Close()
	go func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
		}
	}()
	dial := func(source string) net.Conn {
		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: time.Minute}).Dial("tcp", inner.Addr().String())
		if errors.Is(err, syscall.ECONNRESET) {
			return nil // it was closed before the dial had returned
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	closed := func(c net.Conn, within time.Duration) bool {
		if c == nil {
			return true
		}
		_ = c.SetReadDeadline(time.Now().Add(within))
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		return !errors.As(err, &timeout) || !timeout.Timeout()
	}
	var conns []net.Conn
	for range 5 {
		conns = append(conns, dial("127.0.0.2"))
	}
	// Connections are accepted in order, so all are decided once the last is closed.
	if !closed(conns[4], time.Minute) || !closed(conns[3], time.Minute) {
		t.Error("connections over the limit are left open")
	}
	other := dial("127.0.0.3")
	for i, c := range append(conns[:3:3], other) {
		if closed(c, 10*time.Millisecond) {
			t.Errorf("connection %d is closed", i)
		}
	}
	if r := l.Refused(); r.PerAddress != 2 || l.Open() < 3 {
		t.Errorf("%+v refused, %d open; want 2 and the others", r, l.Open())
	}
}
