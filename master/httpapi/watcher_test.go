package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session"
)

// watcher is a client that watches, in a synctest bubble.
type watcher struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	header   http.Header
	status   int
	written  bytes.Buffer
	deadline time.Time
	// stuck blocks writes, as if the client did not read.
	stuck   bool
	flushes int
	// during is called once, within the next write, to do something concurrently.
	during func()
}

// watching starts a request. change modifies the request and may be nil.
func watching(t *testing.T, api http.Handler, target string, change func(*http.Request)) *watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &watcher{t: t, cancel: cancel, done: make(chan struct{}), header: http.Header{}}
	r := httptest.NewRequest(http.MethodGet, target, nil).WithContext(ctx)
	if change != nil {
		change(r)
	}
	go func() {
		defer close(w.done)
		api.ServeHTTP(w, r)
	}()
	t.Cleanup(cancel)
	synctest.Wait()
	return w
}

func (w *watcher) Header() http.Header { return w.header }

func (w *watcher) WriteHeader(status int) { w.status = status }

func (w *watcher) Write(b []byte) (int, error) {
	w.mu.Lock()
	if during := w.during; during != nil {
		w.during = nil
		w.mu.Unlock()
		during()
		w.mu.Lock()
	}
	stuck, deadline := w.stuck, w.deadline
	if !stuck {
		defer w.mu.Unlock()
		return w.written.Write(b)
	}
	w.mu.Unlock()
	<-time.After(time.Until(deadline))
	return 0, os.ErrDeadlineExceeded
}

func (w *watcher) SetWriteDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deadline = t
	return nil
}

func (w *watcher) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flushes++
	return nil
}

// flushed returns how often the response was flushed.
func (w *watcher) flushed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flushes
}

// text returns what was received since the last call.
func (w *watcher) text() string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	text := w.written.String()
	w.written.Reset()
	return text
}

// ended reports whether the stream has ended.
func (w *watcher) ended() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// receivedEvent is an event as a client decodes it.
type receivedEvent struct {
	Cluster, Type, Kind, ResourceVersion string
	Object                               map[string]any
}

// brief returns a short form of the event: type, kind, and identity.
func (h receivedEvent) brief() string {
	words := []string{h.Type, h.Kind}
	if h.Cluster != "" {
		words = append([]string{h.Cluster + ":"}, words...)
	}
	if h.Kind == "Session" {
		return strings.Join(append(words, fmt.Sprint(h.Object["phase"])), " ")
	}
	if name, ok := h.Object["name"].(string); ok {
		words = append(words, name)
	}
	if h.Type == "ERROR" {
		words = append(words[:len(words)-1], fmt.Sprint(h.Object["code"], " ", h.Object["reason"]))
	}
	if _, ok := h.Object["annotations"]; ok {
		words = append(words[:len(words)-1], "initial-events-end")
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

func decodeEvents(t *testing.T, lines string) []receivedEvent {
	t.Helper()
	var all []receivedEvent
	for line := range strings.Lines(lines) {
		var h receivedEvent
		if err := json.Unmarshal([]byte(line), &h); err != nil {
			t.Fatalf("decode %s: %v", line, err)
		}
		all = append(all, h)
	}
	return all
}

// received returns the events since the last call, in short form.
func (w *watcher) received() []string {
	w.t.Helper()
	return briefs(decodeEvents(w.t, w.text()))
}

func briefs(all []receivedEvent) []string {
	briefs := []string{}
	for _, h := range all {
		briefs = append(briefs, h.brief())
	}
	return briefs
}

// expect fails the test if the events since the last call differ from want.
func (w *watcher) expect(want ...string) {
	w.t.Helper()
	if got := w.received(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("got\n     %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// report makes a cluster report changes of its objects.
func (f *fake) report(t *testing.T, cluster string, removes []state.Key, upserts ...state.Object) *session.Report {
	t.Helper()
	before, _ := f.LastReport(cluster)
	s := stateOf(t, before)
	d := state.Delta{Epoch: s.Epoch, From: s.Seq, To: s.Seq, Removes: removes}
	for _, o := range upserts {
		d.To++
		d.Upserts = append(d.Upserts, state.Entry{Seq: d.To, Object: o})
	}
	d.To += uint64(len(removes))
	now := time.Now()
	sections := s.Sections
	for i := range sections {
		sections[i].ObservedAt = now
	}
	d.Sections = &sections
	next, err := state.Apply(s, d)
	if err != nil {
		t.Fatal(err)
	}
	v := *before
	v.LazyState, v.Summary, v.ObservedAt, v.ReceivedAt, v.ExpiresAt = wire.NewLazyState(next), state.Summarize(next, now), now, now, now.Add(v.TTL)
	f.Change(func() { f.Reports[cluster] = &v })
	return &v
}

// observe changes the status of a cluster's session.
func (f *fake) observe(cluster string, o session.Status) {
	f.Change(func() { f.Statuses[cluster] = o })
}

func node(name string, ready state.Tristate) *state.Node {
	return &state.Node{Name: name, Ready: ready, Schedulable: true}
}

// inNextWrite calls during while the watcher receives its next events.
func (w *watcher) inNextWrite(during func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.during = during
}
