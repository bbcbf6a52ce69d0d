package httpapi

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// fixture returns a fake with one cluster of the given number of pods, about twice as many
// containers, and reports that stay fresh.
func fixture(b *testing.B, pods int) *fake {
	b.Helper()
	f := shop(b)
	w := statetest.New(1, 1+pods/30, pods)
	w.Sample(1_795_000_000)
	now := time.Now()
	v := f.Reports["prod-eu"]
	f.Reports["prod-eu"] = &session.Report{
		Cluster: "prod-eu", UID: v.UID, Term: 1, LazyState: wire.NewLazyState(w.State), Summary: state.Summarize(w.State, now), ObservedAt: now,
		ReceivedAt: now, TTL: time.Hour, ExpiresAt: now.Add(time.Hour), Session: v.Session,
	}
	f.Statuses["prod-eu"] = reporting
	return f
}

// bareHandler returns a handler that only sends the given response.
func bareHandler(answer *httptest.ResponseRecorder) http.Handler {
	body := answer.Body.Bytes()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		_, _ = w.Write(body)
	})
}

// BenchmarkCachedGet measures repeated reads of a whole cluster over persistent connections,
// compared with a bare net/http handler that sends the same bytes.
func BenchmarkCachedGet(b *testing.B) {
	for _, size := range []struct {
		name string
		pods int
	}{{"300", 150}, {"10000", 5000}} {
		f := fixture(b, size.pods)
		api := f.api(func(c *Config) { c.Documents = view.NewDocumentCache(1 << 30) })
		for _, encoding := range []string{"identity", "gzip"} {
			answer := do(api, newRequest(eu1, "Accept-Encoding", encoding))
			for _, one := range []struct {
				name    string
				handler http.Handler
			}{{"rollcall", api}, {"bare", bareHandler(answer)}} {
				b.Run(fmt.Sprintf("containers=%s/%s/%s", size.name, encoding, one.name), func(b *testing.B) {
					fetch(b, one.handler, encoding)
				})
			}
		}
	}
}

// discard is an http.ResponseWriter that discards everything.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHandlerOfCachedGet measures the handlers of BenchmarkCachedGet alone, without net/http
// and the kernel.
func BenchmarkHandlerOfCachedGet(b *testing.B) {
	f := fixture(b, 150)
	api := f.api(func(c *Config) { c.Documents = view.NewDocumentCache(1 << 30) })
	for _, encoding := range []string{"identity", "gzip"} {
		request := newRequest(eu1, "Accept-Encoding", encoding)
		answer := do(api, request)
		for _, one := range []struct {
			name    string
			handler http.Handler
		}{{"rollcall", api}, {"bare", bareHandler(answer)}} {
			b.Run(encoding+"/"+one.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					one.handler.ServeHTTP(&discard{http.Header{}}, request)
				}
			})
		}
	}
}

func fetch(b *testing.B, handler http.Handler, encoding string) {
	server := httptest.NewServer(handler)
	defer server.Close()
	request := "GET " + eu1 + " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: " + encoding + "\r\n\r\n"
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r := bufio.NewReaderSize(c, 64<<10)
		for pb.Next() {
			if err := fetchOnce(c, r, request); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// fetchOnce is a minimal client, so that mostly the server is measured.
func fetchOnce(c net.Conn, r *bufio.Reader, request string) error {
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && string(name) == "Content-Length" {
			if length, err = strconv.Atoi(strings.TrimSpace(string(value))); err != nil {
				return err
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := r.Discard(length)
	return err
}

// openWatches opens streams and reads the initial events of each.
func openWatches(b *testing.B, url, path string, n int, header string) []net.Conn {
	b.Helper()
	all := make([]net.Conn, n)
	buf := make([]byte, 64<<10)
	for i := range all {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, header); err != nil {
			b.Fatal(err)
		}
		for !bytes.Contains(buf, []byte("initial-events-end")) {
			if _, err := c.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
		clear(buf)
		all[i] = c
	}
	return all
}

// streaming returns a bare net/http handler that sends the same initial events and then whatever is
// broadcast.
func streaming(begin []byte, next func() (<-chan struct{}, []byte)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_, _ = w.Write(begin)
		for {
			wait, _ := next()
			if rc.Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-wait:
			}
			_, line := next()
			_, _ = w.Write(line)
		}
	})
}

// memoryInUse returns the process's heap and stack bytes after garbage collection.
func memoryInUse() (heap, stacks float64) {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// BenchmarkWatcherMemory measures the memory of one more watcher, including the client's end of the
// connection, compared with a bare streaming handler.
func BenchmarkWatcherMemory(b *testing.B) {
	const watchers = 4000
	f := fixture(b, 150)
	api := f.api(nil)
	path := eu1 + "/nodes?watch=true"
	begin := []byte("initial-events-end\n")
	quiet := make(chan struct{})
	for _, one := range []struct {
		name, header string
		handler      http.Handler
	}{
		{"bare", "", streaming(begin, func() (<-chan struct{}, []byte) { return quiet, nil })},
		{"lines", "", api},
		{"sse", "Accept: text/event-stream\r\n", api},
		{"bare-again", "", streaming(begin, func() (<-chan struct{}, []byte) { return quiet, nil })},
	} {
		b.Run(one.name, func(b *testing.B) {
			for b.Loop() {
				server := httptest.NewServer(one.handler)
				heapBefore, stacksBefore := memoryInUse()
				all := openWatches(b, server.URL, path, watchers, one.header)
				heap, stacks := memoryInUse()
				heap, stacks = (heap-heapBefore)/watchers, (stacks-stacksBefore)/watchers
				b.ReportMetric(heap+stacks, "B/watcher")
				b.ReportMetric(stacks, "B-stack/watcher")
				for _, c := range all {
					c.Close()
				}
				server.Close()
			}
		})
	}
}

// BenchmarkDeliveries measures the delivery of one change to many watchers that all read it. One
// operation is one delivery.
func BenchmarkDeliveries(b *testing.B) {
	const watchers = 1000
	f := fixture(b, 150)
	server := httptest.NewServer(f.api(nil))
	defer server.Close()
	all := openWatches(b, server.URL, eu1+"/nodes?watch=true&usage=none", watchers, "")
	heard := make(chan time.Time, watchers)
	var readers sync.WaitGroup
	for _, c := range all {
		readers.Go(func() {
			r := bufio.NewReader(c)
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if bytes.HasPrefix(line, []byte(`{"type"`)) {
					heard <- time.Now()
				}
			}
		})
	}
	var spread time.Duration
	n := 0
	for b.Loop() {
		if n++; n%watchers != 0 {
			continue // watchers deliveries are one change
		}
		f.reportIn(b, node("later", []state.Tristate{state.True, state.False}[n/watchers%2]))
		var first, last time.Time
		for range watchers {
			at := <-heard
			if first.IsZero() || at.Before(first) {
				first = at
			}
			if at.After(last) {
				last = at
			}
		}
		spread = max(spread, last.Sub(first))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "deliveries/s")
	b.ReportMetric(float64(spread.Milliseconds()), "ms-spread-max")
	for _, c := range all {
		c.Close()
	}
	readers.Wait()
}

// reportIn makes the fixture's cluster report one object.
func (f *fake) reportIn(b *testing.B, o state.Object) {
	b.Helper()
	before := f.Reports["prod-eu"]
	s := stateOf(b, before)
	next, err := state.Apply(s, state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq + 1, Upserts: []state.Entry{{Seq: s.Seq + 1, Object: o}}})
	if err != nil {
		b.Fatal(err)
	}
	v := *before
	v.LazyState, v.ReceivedAt = wire.NewLazyState(next), time.Now()
	f.Change(func() { f.Reports["prod-eu"] = &v })
}
