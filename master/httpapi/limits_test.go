package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/state"
)

// memListener is a listener with in-memory connections, for virtual time.
type memListener struct {
	accepted chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newMemListener() *memListener {
	return &memListener{accepted: make(chan net.Conn), closed: make(chan struct{})}
}

func (h *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-h.accepted:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *memListener) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *memListener) Addr() net.Addr { return &net.TCPAddr{} }

// dial returns a client connection that the server has accepted.
func (h *memListener) dial() net.Conn {
	client, server := net.Pipe()
	h.accepted <- server
	return client
}

// serve serves an API on the listener until the test ends.
func (h *memListener) serve(t *testing.T, api *API) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, h, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: got error %v, want none", err)
		}
	})
}

func TestIncompleteRequestTimesOut(t *testing.T) {
	for _, half := range []string{"", "GET /api/v1/clusters HTT", "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\nX-Slow: 1"} {
		bubble(t, func(t *testing.T, f *fake) {
			h := newMemListener()
			h.serve(t, f.api(nil))
			begin := time.Now()
			c := h.dial()
			defer c.Close()
			fmt.Fprint(c, half)
			_, err := io.Copy(io.Discard, c)
			if took := time.Since(begin); err != nil || took != headerTimeout {
				t.Errorf("%q: connection ended after %s, error %v; want %s", half, took, err, headerTimeout)
			}
		})
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api(nil))
		c := h.dial()
		defer c.Close()
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		r := bufio.NewReader(c)
		response, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, _ = r.ReadByte()
		if took := time.Since(begin); took != idleTimeout {
			t.Errorf("connection closed after %s, want %s", took, idleTimeout)
		}
	})
}

func TestConnectionsAreLimited(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api(func(c *Config) { c.Limits.Max = 2 }))
		begin := time.Now()
		first, second, third := h.dial(), h.dial(), h.dial()
		defer second.Close()
		defer third.Close()
		if _, err := first.Read(make([]byte, 1)); err == nil || time.Since(begin) > 0 {
			t.Errorf("first connection: got error %v after %s, want it closed immediately", err, time.Since(begin))
		}
		request := func(c net.Conn) (int, error) {
			fmt.Fprint(c, "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\n\r\n")
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, response.Body)
			return response.StatusCode, err
		}
		for _, c := range []net.Conn{second, third} {
			if status, err := request(c); status != http.StatusOK {
				t.Errorf("one of two connections: got %d, error %v, want 200", status, err)
			}
		}
		fourth := h.dial()
		if _, err := fourth.Read(make([]byte, 1)); err == nil || time.Since(begin) > 0 {
			t.Errorf("third connection besides two in use: got error %v after %s, want it closed immediately", err, time.Since(begin))
		}
	})
}

// TestMissingBodyTimesOut announces a body that is never sent, to routes with and without a body.
func TestMissingBodyTimesOut(t *testing.T) {
	for _, request := range []string{
		"GET /healthz", "GET /readyz", "GET /api/v1/clusters", "GET " + eu1, "GET " + eu1 + "?watch=true", "GET /metrics", "GET /api", "GET /nothing", "GET /",
		"GET /api/v1/clusters/..", "DELETE /api/v1/clusters", "DELETE /api/v1/session", "POST /api/v1/session", "POST /prometheus/api/v1/query", "GET /heapster/api/v1/model/nodes/",
	} {
		for _, announced := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			bubble(t, func(t *testing.T, f *fake) {
				h := newMemListener()
				h.serve(t, f.prometheusAPI(func(c *Config) {
					(&fakeSignIn{}).config(c)
					c.Page = http.NotFoundHandler()
					c.Authenticate = func(*http.Request) (Authorizer, error) {
						return func(context.Context, Access) error { return nil }, nil
					}
				}))
				c := h.dial()
				defer c.Close()
				defer time.AfterFunc(time.Minute, func() { c.Close() }).Stop() // where nothing else ends it
				begin := time.Now()
				fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n%s\r\n\r\n", request, mediaTypeOf(request), announced)
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || response.StatusCode < 400 {
					t.Errorf("%s, %s: got %v, error %v; want it rejected", request, announced, response, err)
				}
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(begin); took > connlimit.BodyTimeout+time.Second {
					t.Errorf("%s, %s: the connection lasted %s, want %s", request, announced, took, connlimit.BodyTimeout)
				}
			})
		}
	}
}

// mediaTypeOf returns the Content-Type of a route's body.
func mediaTypeOf(request string) string {
	if strings.Contains(request, "prometheus") {
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// TestAuthenticatedConnectionsAreNotLimitedPerAddress opens more connections from one address than
// unauthenticated clients may have.
func TestAuthenticatedConnectionsAreNotLimitedPerAddress(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api(func(c *Config) {
			c.Limits.Max, c.Limits.MaxPerAddress = 1000, 2
			c.Authenticate = func(r *http.Request) (Authorizer, error) {
				if r.Header.Get("Authorization") == "" {
					return nil, ErrUnauthenticated
				}
				return func(context.Context, Access) error { return nil }, nil
			}
		}))
		request := func(c net.Conn, header string) int {
			fmt.Fprintf(c, "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return 0
			}
			_, _ = io.Copy(io.Discard, response.Body)
			return response.StatusCode
		}
		for i := range 20 {
			c := h.dial()
			defer c.Close()
			if status := request(c, "Authorization: Bearer t\r\n"); status != http.StatusOK {
				t.Errorf("authenticated connection %d: got %d, want 200", i, status)
			}
		}
		for i, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, 0, 0} {
			c := h.dial()
			defer c.Close()
			if status := request(c, ""); status != want {
				t.Errorf("unauthenticated connection %d: got %d, want %d (0: closed)", i, status, want)
			}
		}
	})
}

// TestHealthWorksWithManyOpenConnections leaves connections open on the health listener.
func TestHealthWorksWithManyOpenConnections(t *testing.T) {
	api := shop(t).api(nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- api.ServeHealth(ctx, listener) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	dial := func(source string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: time.Minute}).Dial("tcp", listener.Addr().String())
	}
	for i := range 10 * maxHealthConnections {
		if c, err := dial(fmt.Sprintf("127.0.0.%d", 2+i%20)); err == nil {
			defer c.Close()
		}
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return dial("127.0.0.1") }}}
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 404, "/api/v1/clusters": 404} {
		response, err := client.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Errorf("%s: got error %v, want none", path, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, response.StatusCode, want)
		}
	}
}

func TestWatchOutlivesTheWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api(nil))
		c := h.dial()
		defer c.Close()
		fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n\r\n", eu1)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
				lines <- scanner.Text()
			}
		}()
		for i := range 5 {
			<-time.After(writeTimeout)
			name := fmt.Sprintf("later-%d", i)
			f.report(t, "prod-eu", nil, node(name, state.True))
			for line := range lines {
				if strings.Contains(line, name) {
					break
				}
			}
		}
		if _, open := <-lines; !open {
			t.Error("the stream ended")
		}
	})
}

func TestStalledReaderIsDisconnected(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newMemListener()
		h.serve(t, f.api(nil))
		c := h.dial()
		defer c.Close()
		fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n\r\n", eu1)
		// It reads the header, and then nothing.
		if _, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(streamWriteTimeout)
		synctest.Wait()
		if n := f.Watching("prod-eu"); n != 0 {
			t.Errorf("%d watches register demand after the reader stalled, want 0", n)
		}
	})
}

// TestSlowButSteadyReaderIsNotDisconnected reads the initial events slowly, without stalling.
func TestSlowButSteadyReaderIsNotDisconnected(t *testing.T) {
	for name, headers := range map[string]string{"lines": "", "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"} {
		bubble(t, func(t *testing.T, f *fake) {
			var nodes []state.Object
			for i := range 4000 {
				nodes = append(nodes, node(fmt.Sprintf("node-%04d", i), state.True))
			}
			f.report(t, "prod-eu", nil, nodes...)
			h := newMemListener()
			h.serve(t, f.api(nil))
			c := h.dial()
			defer c.Close()
			begin := time.Now()
			fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n%s\r\n", eu1, headers)
			piece, all, last := make([]byte, writeChunk/60), 0, ""
			for !strings.Contains(last, "initial-events-end") {
				n, err := c.Read(piece)
				if all += n; err != nil {
					t.Errorf("%s: got an end after %s and %d bytes: %v, want none", name, time.Since(begin), all, err)
					return
				}
				last = last[max(0, len(last)-100):] + string(piece[:n])
				<-time.After(time.Duration(n) * 6 * time.Second / writeChunk)
			}
			if took := time.Since(begin); took < 2*streamWriteTimeout {
				t.Errorf("%s: got a reader that takes %s, want at least %s", name, took, 2*streamWriteTimeout)
			}
		})
	}
}

// TestStalledReadersDoNotDelayOthers stalls thousands of readers at once.
func TestStalledReadersDoNotDelayOthers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		const readers = 3000
		api := f.api(nil)
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range readers {
			all.Go(func() {
				w := &watcher{t: t, header: http.Header{}, stuck: true}
				api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, eu1+"/nodes?watch=true", nil).WithContext(ctx))
			})
		}
		quick := watching(t, api, eu1+"/nodes?watch=true", nil)
		quick.text()
		begin := time.Now()
		f.report(t, "prod-eu", nil, node("n2", state.True))
		quick.expect("ADDED Node n2")
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("got a delay of %s of the fast reader, want none", waited)
		}
		all.Wait()
		if took := time.Since(begin); took > streamWriteTimeout || f.Watching("prod-eu") != 1 {
			t.Errorf("after %s %d watches are left, want only the fast one after %s", took, f.Watching("prod-eu"), streamWriteTimeout)
		}
	})
}
