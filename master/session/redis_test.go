package session

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/master/cache/rediscache"
	"rollcall.dev/rollcall/test/redistest"
)

// redisMaster is a master with a real Redis, in real time.
type redisMaster struct {
	*Sessions
	store *rediscache.Cache
	log   *bytes.Buffer
	stop  func()
}

func startRedisMaster(t *testing.T, r Registry, a *fakeAgent, url string) *redisMaster {
	t.Helper()
	m := &redisMaster{log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(m.log, nil))
	store, err := rediscache.New(rediscache.Config{URL: url, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	m.store = store
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return a.listener.Dial(ctx) }
	m.Sessions = New(Config{Registry: r, Store: store, Insecure: true, Log: log, DialContext: dial})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = m.Run(ctx)
	}()
	m.stop = func() {
		cancel()
		<-ended
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
	return m
}

func (m *redisMaster) get(t *testing.T) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := m.Await(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestMasterRestartsFromRedisAndRunsWithoutIt(t *testing.T) {
	server := redistest.Start(t)
	r := &fakeRegistry{clusters: map[string]Cluster{"a": {
		Name: "a", Endpoint: "ws://a:1", RequestPeriod: 100 * time.Millisecond, SessionDuration: time.Minute, CacheTTL: 30 * time.Second,
	}}}
	a := newFakeAgent(t, "a")
	defer a.close()
	var closed atomic.Bool
	a.admit = func(w http.ResponseWriter, _ *http.Request) bool {
		if closed.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return !closed.Load()
	}

	first := startRedisMaster(t, r, a, server.URL())
	first.get(t)
	a.change(5)
	cachetest.Eventually(t, "the change is reported", func() bool { return first.get(t).Seq == a.state().Seq })
	before := first.get(t)
	first.stop()

	closed.Store(true)
	second := startRedisMaster(t, r, a, server.URL())
	defer func() { second.stop() }()
	restored := second.get(t)
	wantEqual(t, "version", restored.Version(), before.Version())
	cachetest.WantState(t, restored, stateOf(t, before))
	if off := restored.ExpiresAt.Sub(before.ExpiresAt).Abs(); off > 2*time.Second {
		t.Errorf("the restored report expires %s off", off)
	}

	server.Stop()
	closed.Store(false)
	cachetest.Eventually(t, "reports arrive without Redis", func() bool { return second.get(t).Term > before.Term })
	a.change(5)
	cachetest.Eventually(t, "the change is reported without Redis", func() bool { return second.get(t).Seq == a.state().Seq })
	server.Start()
	cachetest.Eventually(t, "Redis has the last report again", func() bool {
		e, err := second.store.Load(t.Context(), "a", time.Minute)
		return err == nil && e.Seq == a.state().Seq
	})
	second.stop()
	if n := strings.Count(second.log.String(), "redis"); n < 2 {
		t.Errorf("log is %q, want two lines about redis", second.log)
	}
	second.stop = func() {}
}
