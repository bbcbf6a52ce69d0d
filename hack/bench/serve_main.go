package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/httpapi"
	mastersession "rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
)

// serveCommand is the first argument that makes this program an HTTP server. The server is a process of its own, so
// that its CPU and memory can be measured. It prints its address. It then executes each line of its input
// as a command, and prints "done".
const serveCommand = "serve"

// Commands of a server process.
const (
	// commandChange changes the readiness of one node.
	commandChange = "change"
	// commandFreeMemory returns unused memory to the operating system.
	commandFreeMemory = "free-memory"
)

// sampleCluster is the name of the served cluster.
const sampleCluster = "sample"

// changeableHandler is a handler whose served state can be changed.
type changeableHandler interface {
	http.Handler
	change() error
}

// serveMain serves the master's HTTP API over one generated cluster, or with -from a bare
// net/http handler that sends the same bytes.
func serveMain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(serveCommand, flag.ContinueOnError)
	from := f.String("from", "", "URL whose response a bare server sends; default: serve the master's API")
	encoding := f.String("encoding", "identity", "Accept-Encoding header for -from")
	if err := f.Parse(args); err != nil {
		return err
	}
	var host changeableHandler
	var err error
	if *from == "" {
		host = newFakeMaster()
	} else if host, err = newBareHandler(ctx, *from, *encoding); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- serveHandler(ctx, listener, host) }()
	fmt.Println(listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("done") {
		switch lines.Text() {
		case commandChange:
			err = host.change()
		case commandFreeMemory:
			debug.FreeOSMemory()
		default:
			err = fmt.Errorf("serve: unknown command %q", lines.Text())
		}
		if err != nil {
			return err
		}
	}
	_ = listener.Close()
	return <-failed
}

// serveHandler serves fakeMaster with the master's own HTTP server, and a bare handler with a plain http.Server.
func serveHandler(ctx context.Context, listener net.Listener, host changeableHandler) error {
	if m, ok := host.(*fakeMaster); ok {
		return m.Serve(ctx, listener, nil)
	}
	err := http.Serve(listener, host)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// fakeMaster is the master's HTTP API over one cluster whose report is always fresh.
type fakeMaster struct {
	*httpapi.API
	mu        sync.Mutex
	latest    *mastersession.Report
	changed   chan struct{}
	startedAt time.Time
}

// newFakeMaster returns a fakeMaster with a generated state.
func newFakeMaster() *fakeMaster {
	w := statetest.New(1, 6, 150)
	w.Sample(1_795_000_000)
	m := &fakeMaster{changed: make(chan struct{}), startedAt: time.Now()}
	m.report(w.State)
	metrics := prometheus.NewRegistry()
	m.API = httpapi.New(httpapi.Config{
		Sessions: m, Registry: sessiontest.NewRegistry(mastersession.Cluster{Name: sampleCluster}),
		Documents: view.NewDocumentCache(1 << 28), Gatherer: metrics, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	})
	return m
}

// report publishes a state as the latest report and wakes all watchers.
func (m *fakeMaster) report(s *state.State) {
	now := time.Now()
	v := &mastersession.Report{
		Cluster: sampleCluster, UID: "sample", Term: 1, LazyState: wire.NewLazyState(s), Summary: state.Summarize(s, now),
		ObservedAt: now, ReceivedAt: now, TTL: 24 * time.Hour, ExpiresAt: now.Add(24 * time.Hour),
		Session: mastersession.Info{ID: "sample", Phase: mastersession.Reporting, StartedAt: m.startedAt, ExpiresAt: m.startedAt.Add(24 * time.Hour)},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest = v
	close(m.changed)
	m.changed = make(chan struct{})
}

// Await implements httpapi.Sessions.
func (m *fakeMaster) Await(context.Context, string) (*mastersession.Report, error) {
	r, _ := m.LastReport("")
	return r, nil
}

// LastReport implements httpapi.Sessions.
func (m *fakeMaster) LastReport(string) (*mastersession.Report, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest, true
}

// Status implements httpapi.Sessions.
func (m *fakeMaster) Status(string) mastersession.Status {
	r, _ := m.LastReport("")
	return mastersession.Status{Session: r.Session}
}

// Watch implements httpapi.Sessions.
func (m *fakeMaster) Watch(context.Context, string) (release func(), err error) {
	return func() {}, nil
}

// Current implements httpapi.Sessions: it returns the latest report and a channel that is closed at the next one.
func (m *fakeMaster) Current(name string) (mastersession.Current, error) {
	if name != sampleCluster {
		return mastersession.Current{}, mastersession.ErrNotFound
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return mastersession.Current{Report: m.latest, Status: mastersession.Status{Session: m.latest.Session}, Changed: m.changed}, nil
}

// change publishes a report in which the readiness of one node differs.
func (m *fakeMaster) change() error {
	v, _ := m.LastReport("")
	s, err := v.State()
	if err != nil {
		return fmt.Errorf("change the sample cluster: %w", err)
	}
	node := &state.Node{Name: "changing", Ready: state.True, Schedulable: s.Seq%2 == 0}
	next, err := state.Apply(s, state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq + 1, Upserts: []state.Entry{{Seq: s.Seq + 1, Object: node}}})
	if err != nil {
		return fmt.Errorf("change the sample cluster: %w", err)
	}
	m.report(next)
	return nil
}

// bareHandler sends the bytes of another server's response. For a watch it sends the initial events,
// and one event per change.
type bareHandler struct {
	header http.Header
	body   []byte
	// event is the event to send for each change; nil if the response is no watch.
	event   []byte
	mu      sync.Mutex
	changed chan struct{}
}

// newBareHandler requests a URL and returns a handler that sends the same response.
func newBareHandler(ctx context.Context, url, encoding string) (*bareHandler, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read the response to send: %w", err)
	}
	defer response.Body.Close()
	b := &bareHandler{header: response.Header, changed: make(chan struct{})}
	b.header.Del("Date") // net/http sets it
	if response.ContentLength < 0 {
		return b, b.readStream(response.Body)
	}
	b.body, err = io.ReadAll(response.Body)
	b.header["Content-Length"] = []string{strconv.Itoa(len(b.body))}
	return b, err
}

// readStream reads the initial events of a watch, and builds one event from their first object.
func (b *bareHandler) readStream(body io.Reader) error {
	lines := bufio.NewReader(body)
	for !bytes.Contains(b.body, []byte("initial-events-end")) {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("read the response to send: %w", err)
		}
		if len(b.body) == 0 {
			b.event = []byte(strings.Replace(string(line), "ADDED", "MODIFIED", 1))
		}
		b.body = append(b.body, line...)
	}
	return nil
}

// change sends one event to all watchers.
func (b *bareHandler) change() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
	return nil
}

// nextChange returns a channel that is closed at the next change.
func (b *bareHandler) nextChange() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// ServeHTTP implements http.Handler.
func (b *bareHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range b.header {
		w.Header()[name] = values
	}
	changed := b.nextChange()
	// A write fails only if the client is gone.
	_, _ = w.Write(b.body)
	if b.event == nil {
		return
	}
	for controller := http.NewResponseController(w); controller.Flush() == nil; {
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		}
		changed = b.nextChange()
		_, _ = w.Write(b.event)
	}
}
