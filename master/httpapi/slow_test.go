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

// hall is a listener whose connections are in memory, for virtual time.
type hall struct {
	arrivals chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newHall() *hall {
	return &hall{arrivals: make(chan net.Conn), closed: make(chan struct{})}
}

func (h *hall) Accept() (net.Conn, error) {
	select {
	case c := <-h.arrivals:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *hall) Close() error {
	h.once.Do(func() { close(h.closed) })
	return nil
}

func (h *hall) Addr() net.Addr { return &net.TCPAddr{} }

// enter is a client's connection, once the server has accepted it.
func (h *hall) enter() net.Conn {
	client, server := net.Pipe()
	h.arrivals <- server
	return client
}

// open serves an API in the hall until the test ends.
func (h *hall) open(t *testing.T, api *API) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, h, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func TestARequestThatIsHalfSentLosesItsConnection(t *testing.T) {
	for _, half := range []string{"", "GET /api/v1/clusters HTT", "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\nX-Slow: 1"} {
		bubble(t, func(t *testing.T, f *fake) {
			h := newHall()
			h.open(t, f.api(nil))
			begin := time.Now()
			c := h.enter()
			defer c.Close()
			fmt.Fprint(c, half)
			_, err := io.Copy(io.Discard, c)
			if took := time.Since(begin); err != nil || took != headerTimeout {
				t.Errorf("%q: ended after %s, %v; want %s", half, took, err, headerTimeout)
			}
		})
	}
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newHall()
		h.open(t, f.api(nil))
		c := h.enter()
		defer c.Close()
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		r := bufio.NewReader(c)
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		_, _ = r.ReadByte()
		if took := time.Since(begin); took != idleTimeout {
			t.Errorf("closed after %s, want %s", took, idleTimeout)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newHall()
		h.open(t, f.api(func(c *Config) { c.Limits.Max = 2 }))
		begin := time.Now()
		first, second, third := h.enter(), h.enter(), h.enter()
		defer second.Close()
		defer third.Close()
		if _, err := first.Read(make([]byte, 1)); err == nil || time.Since(begin) > 0 {
			t.Errorf("the first is not closed at once, but %v after %s", err, time.Since(begin))
		}
		ask := func(c net.Conn) (int, error) {
			fmt.Fprint(c, "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\n\r\n")
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return 0, err
			}
			_, err = io.Copy(io.Discard, answer.Body)
			return answer.StatusCode, err
		}
		for _, c := range []net.Conn{second, third} {
			if status, err := ask(c); status != http.StatusOK {
				t.Errorf("one of two: %d, %v", status, err)
			}
		}
		fourth := h.enter()
		if _, err := fourth.Read(make([]byte, 1)); err == nil || time.Since(begin) > 0 {
			t.Errorf("a third beside two that were answered is not closed at once, but %v after %s", err, time.Since(begin))
		}
	})
}

// TestABodyThatNeverComesLosesItsConnection is the attack of bodies that are announced, to
// routes that take one and to those that take none.
func TestABodyThatNeverComesLosesItsConnection(t *testing.T) {
	for _, request := range []string{
		"GET /healthz", "GET /readyz", "GET /api/v1/clusters", "GET " + eu1, "GET " + eu1 + "?watch=true", "GET /metrics", "GET /api", "GET /nothing", "GET /",
		"GET /api/v1/clusters/..", "DELETE /api/v1/clusters", "DELETE /api/v1/session", "POST /api/v1/session", "POST /prometheus/api/v1/query", "GET /heapster/api/v1/model/nodes/",
	} {
		for _, announced := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
			bubble(t, func(t *testing.T, f *fake) {
				h := newHall()
				h.open(t, f.queried(func(c *Config) {
					(&desk{}).config(c)
					c.Page = http.NotFoundHandler()
					c.Identify = func(*http.Request) (Caller, error) {
						return func(context.Context, Access) error { return nil }, nil
					}
				}))
				c := h.enter()
				defer c.Close()
				defer time.AfterFunc(time.Minute, func() { c.Close() }).Stop() // where nothing else ends it
				begin := time.Now()
				fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\n%s\r\n\r\n", request, media(request), announced)
				answer, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil || answer.StatusCode < 400 {
					t.Errorf("%s, %s: %v, %v; want that it is refused", request, announced, answer, err)
				}
				_, _ = io.Copy(io.Discard, c)
				if took := time.Since(begin); took > connlimit.BodyTimeout+time.Second {
					t.Errorf("%s, %s: the connection lasted %s, want %s", request, announced, took, connlimit.BodyTimeout)
				}
			})
		}
	}
}

// media is the Content-Type that a route takes.
func media(request string) string {
	if strings.Contains(request, "prometheus") {
		return "application/x-www-form-urlencoded"
	}
	return "application/json"
}

// TestKnownCallersAreNotCutOff is of more connections of one address than it may have of
// callers that nobody knows.
func TestKnownCallersAreNotCutOff(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newHall()
		h.open(t, f.api(func(c *Config) {
			c.Limits.Max, c.Limits.MaxPerAddress = 1000, 2
			c.Identify = func(r *http.Request) (Caller, error) {
				if r.Header.Get("Authorization") == "" {
					return nil, ErrUnauthenticated
				}
				return func(context.Context, Access) error { return nil }, nil
			}
		}))
		ask := func(c net.Conn, header string) int {
			fmt.Fprintf(c, "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\n%s\r\n", header)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				return 0
			}
			_, _ = io.Copy(io.Discard, answer.Body)
			return answer.StatusCode
		}
		for i := range 20 {
			c := h.enter()
			defer c.Close()
			if status := ask(c, "Authorization: Bearer t\r\n"); status != http.StatusOK {
				t.Errorf("known connection %d: %d, want 200", i, status)
			}
		}
		for i, want := range []int{http.StatusUnauthorized, http.StatusUnauthorized, 0, 0} {
			c := h.enter()
			defer c.Close()
			if status := ask(c, ""); status != want {
				t.Errorf("unknown connection %d: %d, want %d (0: closed)", i, status, want)
			}
		}
	})
}

// TestHealthAnswersWhateverIsOpen is of a health listener on which others leave connections
// open.
func TestHealthAnswersWhateverIsOpen(t *testing.T) {
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
		answer, err := client.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, answer.StatusCode, want)
		}
	}
}

func TestAWatchOutlivesTheTimeForAnswers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newHall()
		h.open(t, f.api(nil))
		c := h.enter()
		defer c.Close()
		fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n\r\n", eu1)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := make(chan string, 100)
		go func() {
			defer close(lines)
			for scanner := bufio.NewScanner(answer.Body); scanner.Scan(); {
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

func TestAReaderOfAnAnswerThatStopsIsCutOff(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		h := newHall()
		h.open(t, f.api(nil))
		c := h.enter()
		defer c.Close()
		fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n\r\n", eu1)
		// It reads the header, and then nothing.
		if _, err := http.ReadResponse(bufio.NewReaderSize(c, 16), nil); err != nil {
			t.Fatal(err)
		}
		<-time.After(writeStall)
		synctest.Wait()
		if n := f.watching("prod-eu"); n != 0 {
			t.Errorf("%d watches are demand after the reader stopped", n)
		}
	})
}

// TestAReaderThatIsSlowAndSteadyIsNotCutOff is of one that takes long for the present
// state, and never stops.
func TestAReaderThatIsSlowAndSteadyIsNotCutOff(t *testing.T) {
	for name, headers := range map[string]string{"lines": "", "websocket": "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"} {
		bubble(t, func(t *testing.T, f *fake) {
			var nodes []state.Object
			for i := range 4000 {
				nodes = append(nodes, node(fmt.Sprintf("node-%04d", i), state.True))
			}
			f.report(t, "prod-eu", nil, nodes...)
			h := newHall()
			h.open(t, f.api(nil))
			c := h.enter()
			defer c.Close()
			begin := time.Now()
			fmt.Fprintf(c, "GET %s/nodes?watch=true HTTP/1.1\r\nHost: x\r\n%s\r\n", eu1, headers)
			piece, all, last := make([]byte, writeSize/60), 0, ""
			for !strings.Contains(last, "initial-events-end") {
				n, err := c.Read(piece)
				if all += n; err != nil {
					t.Errorf("%s: cut off after %s and %d bytes: %v", name, time.Since(begin), all, err)
					return
				}
				last = last[max(0, len(last)-100):] + string(piece[:n])
				<-time.After(time.Duration(n) * 6 * time.Second / writeSize)
			}
			if took := time.Since(begin); took < 2*writeStall {
				t.Errorf("%s: it took only %s", name, took)
			}
		})
	}
}

// TestThousandsOfSlowReadersHoldNobodyUp is of readers that all stop at once.
func TestThousandsOfSlowReadersHoldNobodyUp(t *testing.T) {
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
		quick.sees("ADDED Node n2")
		if waited := time.Since(begin); waited != 0 {
			t.Errorf("the quick reader waited %s", waited)
		}
		all.Wait()
		if took := time.Since(begin); took > writeStall || f.watching("prod-eu") != 1 {
			t.Errorf("after %s %d watches are left, want that of the quick one after %s", took, f.watching("prod-eu"), writeStall)
		}
	})
}
