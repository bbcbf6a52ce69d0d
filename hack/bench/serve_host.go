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
	"rollcall.dev/rollcall/master/httpapi"
	mastersession "rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// serveCommand makes this program a server of answers: a process of its own, so that
// what it takes of the machine is its own. It prints its address, and then answers each
// line of its input with one of its own.
const serveCommand = "serve"

// Lines of a server's input.
const (
	// sayChange has one node change its readiness.
	sayChange = "change"
	// saySettle gives back to the system what can be.
	saySettle = "settle"
)

// served is the name of the served cluster.
const served = "played"

// hosted is a handler whose served state can be changed.
type hosted interface {
	http.Handler
	change() error
}

// serveMain serves the master's HTTP API over one generated cluster, or with -from a bare
// net/http handler that sends the same bytes.
func serveMain(ctx context.Context, args []string) error {
	f := flag.NewFlagSet(serveCommand, flag.ContinueOnError)
	from := f.String("from", "", "be bare, and send what this URL answers")
	encoding := f.String("encoding", "identity", "with -from: which answer")
	if err := f.Parse(args); err != nil {
		return err
	}
	var host hosted
	var err error
	if *from == "" {
		host = newPlayedMaster()
	} else if host, err = newBare(ctx, *from, *encoding); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	failed := make(chan error, 1)
	go func() { failed <- serveHost(ctx, listener, host) }()
	fmt.Println(listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); fmt.Println("done") {
		switch lines.Text() {
		case sayChange:
			err = host.change()
		case saySettle:
			debug.FreeOSMemory()
		default:
			err = fmt.Errorf("serve: %q is nothing to do", lines.Text())
		}
		if err != nil {
			return err
		}
	}
	_ = listener.Close()
	return <-failed
}

// serveHost serves with the master's own server, or with a plain http.Server for a bare
// handler.
func serveHost(ctx context.Context, listener net.Listener, host hosted) error {
	if m, ok := host.(*playedMaster); ok {
		return m.Serve(ctx, listener, nil)
	}
	err := http.Serve(listener, host)
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// playedMaster is the master's HTTP API over one cluster whose report is always fresh.
type playedMaster struct {
	*httpapi.API
	mu    sync.Mutex
	value *mastersession.Report
	news  chan struct{}
	began time.Time
}

func newPlayedMaster() *playedMaster {
	w := statetest.New(1, 6, 150)
	w.Sample(1_795_000_000)
	m := &playedMaster{news: make(chan struct{}), began: time.Now()}
	m.report(w.State)
	metrics := prometheus.NewRegistry()
	m.API = httpapi.New(httpapi.Config{
		Sessions: httpapi.Sessions{
			Await:   func(context.Context, string) (*mastersession.Report, error) { v, _ := m.peek(""); return v, nil },
			Peek:    m.peek,
			Observe: func(string) mastersession.Status { return mastersession.Status{Session: m.value.Session} },
			Watch:   func(string) func() { return func() {} },
			Look:    m.look,
		},
		Registry: httpapi.Registry{
			Resolve:   func(name string) (string, bool) { return name, name == served },
			List:      func() []httpapi.Registered { return []httpapi.Registered{{Name: served}} },
			LastKnown: func(string) (httpapi.LastKnown, bool) { return httpapi.LastKnown{}, false },
		},
		Documents: view.NewDocumentCache(1 << 28), Gatherer: metrics, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	})
	return m
}

// report publishes a state as the latest report and wakes all watchers.
func (m *playedMaster) report(s *state.State) {
	now := time.Now()
	v := &mastersession.Report{
		Cluster: served, UID: "played", Term: 1, State: s, Summary: state.Summarize(s, now),
		ObservedAt: now, ReceivedAt: now, TTL: 24 * time.Hour, ExpiresAt: now.Add(24 * time.Hour),
		Session: mastersession.Info{ID: "played", Phase: mastersession.Reporting, StartedAt: m.began, ExpiresAt: m.began.Add(24 * time.Hour)},
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.value = v
	close(m.news)
	m.news = make(chan struct{})
}

func (m *playedMaster) peek(string) (*mastersession.Report, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value, true
}

func (m *playedMaster) look(name string) (mastersession.Current, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return mastersession.Current{Report: m.value, Status: mastersession.Status{Session: m.value.Session}, Changed: m.news}, name == served
}

func (m *playedMaster) change() error {
	v, _ := m.peek("")
	s := v.State
	node := &state.Node{Name: "changing", Ready: state.True, Schedulable: s.Seq%2 == 0}
	next, err := state.Apply(s, state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq + 1, Upserts: []state.Entry{{Seq: s.Seq + 1, Object: node}}})
	if err != nil {
		return fmt.Errorf("change the played cluster: %w", err)
	}
	m.report(next)
	return nil
}

// bare sends the bytes of another server's response. For a watch it sends the initial events,
// and one event per change.
type bare struct {
	header http.Header
	body   []byte
	// event is set where it streams.
	event []byte
	mu    sync.Mutex
	news  chan struct{}
}

func newBare(ctx context.Context, url, encoding string) (*bare, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept-Encoding", encoding)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("take what to send: %w", err)
	}
	defer answer.Body.Close()
	b := &bare{header: answer.Header, news: make(chan struct{})}
	b.header.Del("Date") // it is the server's own affair
	if answer.ContentLength < 0 {
		return b, b.takeStream(answer.Body)
	}
	b.body, err = io.ReadAll(answer.Body)
	b.header["Content-Length"] = []string{strconv.Itoa(len(b.body))}
	return b, err
}

// takeStream reads the initial events of a watch, and builds one event from their first object.
func (b *bare) takeStream(body io.Reader) error {
	lines := bufio.NewReader(body)
	for !bytes.Contains(b.body, []byte("initial-events-end")) {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("take what to send: %w", err)
		}
		if len(b.body) == 0 {
			b.event = []byte(strings.Replace(string(line), "ADDED", "MODIFIED", 1))
		}
		b.body = append(b.body, line...)
	}
	return nil
}

func (b *bare) change() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.news)
	b.news = make(chan struct{})
	return nil
}

func (b *bare) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for name, values := range b.header {
		w.Header()[name] = values
	}
	news := b.next()
	// Nobody is left to tell of an error to write.
	_, _ = w.Write(b.body)
	if b.event == nil {
		return
	}
	for controller := http.NewResponseController(w); controller.Flush() == nil; {
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
		news = b.next()
		_, _ = w.Write(b.event)
	}
}
