package session

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/cache"
)

// TestMain sets a proxy in the environment. It does not exist, so tests fail if the master uses it.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		if err := os.Setenv(name, "http://proxy-of-the-environment:3128"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// testMaster is a master with fake agents, in virtual time.
type testMaster struct {
	t        *testing.T
	registry *fakeRegistry
	store    cache.Store
	metrics  *prometheus.Registry
	logs     *bytes.Buffer
	config   Config
	sessions *Sessions

	cancel context.CancelFunc
	done   chan struct{}

	mu         sync.Mutex
	agents     map[string]*fakeAgent // by host
	dialCounts map[string]int
}

// withMaster calls f with a running master in virtual time. The options change its settings before it starts.
func withMaster(t *testing.T, f func(t *testing.T, m *testMaster), options ...func(*testMaster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMaster(t, options...)
		defer m.close()
		f(t, m)
	})
}

func newTestMaster(t *testing.T, options ...func(*testMaster)) *testMaster {
	m := &testMaster{
		t: t, registry: &fakeRegistry{clusters: map[string]Cluster{}}, store: cache.NewMemory(), metrics: prometheus.NewRegistry(), logs: &bytes.Buffer{},
		agents: map[string]*fakeAgent{}, dialCounts: map[string]int{},
	}
	m.config = Config{
		Registry: m.registry, Insecure: true, Holder: "holder", Metrics: m.metrics, Log: slog.New(slog.NewTextHandler(m.logs, nil)),
		DialContext: m.dial, Random: func() float64 { return 0.5 },
	}
	for _, f := range options {
		f(m)
	}
	m.config.Store = m.store
	m.start()
	return m
}

func (m *testMaster) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.sessions, m.cancel, m.done = New(m.config), cancel, make(chan struct{})
	go func() {
		defer close(m.done)
		if err := m.sessions.Run(ctx); err != nil {
			m.t.Errorf("run: %v", err)
		}
	}()
	synctest.Wait()
}

// stop shuts the master down.
func (m *testMaster) stop() {
	m.cancel()
	<-m.done
}

// restart replaces the master by a new process with the same registry and Store.
func (m *testMaster) restart() {
	m.stop()
	m.config.Metrics = prometheus.NewRegistry()
	m.start()
}

func (m *testMaster) close() {
	m.stop()
	for _, a := range m.agents {
		a.close()
	}
	if strings.Contains(m.logs.String(), "level=ERROR") {
		m.t.Errorf("the master logged errors:\n%s", m.logs)
	}
}

func (m *testMaster) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	m.mu.Lock()
	a := m.agents[host]
	m.dialCounts[host]++
	m.mu.Unlock()
	if a == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return a.listener.Dial(ctx)
}

func (m *testMaster) dials(host string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dialCounts[host]
}

// addCluster registers a cluster with a fake agent. By default the period is 1 s, the duration 15 s, the TTL
// 3 s, and there are no summaries.
func (m *testMaster) addCluster(name string, change ...func(*Cluster)) *fakeAgent {
	return m.addClusterWithHandler(name, nil, change...)
}

// addClusterWithHandler registers a cluster whose agent handles each connection by handle.
func (m *testMaster) addClusterWithHandler(name string, handle func(*agentConn), change ...func(*Cluster)) *fakeAgent {
	a := newFakeAgent(m.t, name)
	a.handle = handle
	m.mu.Lock()
	m.agents[name] = a
	m.mu.Unlock()
	m.register(name, change...)
	return a
}

func (m *testMaster) register(name string, change ...func(*Cluster)) {
	c := Cluster{
		Name: name, Generation: 1, Endpoint: "ws://" + name + ":7443",
		RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 3 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	m.registry.set(c)
	m.sessions.Sync(name)
}

// edit changes the spec of a registered cluster, and its generation.
func (m *testMaster) edit(name string, change func(*Cluster)) {
	c, _ := m.registry.Cluster(name)
	c.Generation++
	change(&c)
	m.registry.set(c)
	m.sessions.Sync(name)
}

// watch registers demand for a cluster until release is called.
func (m *testMaster) watch(ctx context.Context, name string) (release func()) {
	m.t.Helper()
	release, err := m.sessions.Watch(ctx, name)
	if err != nil {
		m.t.Fatal(err)
	}
	return release
}

// await requests a report, with a timeout.
func (m *testMaster) await(name string, timeout time.Duration) (*Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return m.sessions.Await(ctx, name)
}

// get requests a report, and fails the test if there is an error or the report is not fresh.
func (m *testMaster) get(name string) *Report {
	m.t.Helper()
	start := time.Now()
	r, err := m.await(name, 10*time.Second)
	if err != nil {
		m.t.Fatalf("get %s after %s: %v", name, time.Since(start), err)
	}
	if !r.Fresh(time.Now()) {
		m.t.Fatalf("get %s: the report expired %s ago", name, time.Since(r.ExpiresAt))
	}
	return r
}

// advance waits for a virtual time, and until all goroutines are blocked.
func (m *testMaster) advance(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (m *testMaster) wantPhase(name string, want Phase) {
	m.t.Helper()
	synctest.Wait()
	if status := m.sessions.Status(name); status.Session.Phase != want {
		m.t.Fatalf("%s is %s (%s: %s), want %s", name, status.Session.Phase, status.Reason, status.Message, want)
	}
}

func (m *testMaster) wantReason(name string, want Reason) Status {
	m.t.Helper()
	synctest.Wait()
	status := m.sessions.Status(name)
	if status.Reason != want {
		m.t.Fatalf("%s has the reason %s (%s), want %s", name, status.Reason, status.Message, want)
	}
	return status
}

// wantIdle fails the test unless the cluster is idle and has no worker.
func (m *testMaster) wantIdle(name string) {
	m.t.Helper()
	m.wantPhase(name, Idle)
	c := m.sessions.cluster(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running {
		m.t.Fatalf("the worker of %s still runs", name)
	}
}

func stateOf(t testing.TB, r *Report) *state.State {
	t.Helper()
	s, err := r.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// fakeRegistry is a Registry in memory.
type fakeRegistry struct {
	mu       sync.Mutex
	clusters map[string]Cluster
	cause    error
}

func (r *fakeRegistry) Cluster(name string) (Cluster, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clusters[name]
	switch {
	case r.cause != nil:
		return Cluster{}, fmt.Errorf("%w: %w", ErrRegistryUnavailable, r.cause)
	case !ok:
		return Cluster{}, ErrNotFound
	}
	return c, nil
}

// fail makes reads fail, until fail(nil).
func (r *fakeRegistry) fail(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
}

func (r *fakeRegistry) set(c Cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clusters[c.Name] = c
}

func (r *fakeRegistry) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, name)
}

func clusterName(i int) string { return fmt.Sprintf("c%03d", i) }
