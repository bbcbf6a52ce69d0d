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
	"rollcall.dev/rollcall/master/cache"
)

// TestMain names proxies in the environment, which nothing may use: nobody answers there.
func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		if err := os.Setenv(name, "http://proxy-of-the-environment:3128"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

// stage is a master with agents, in virtual time.
type stage struct {
	t        *testing.T
	registry *registry
	store    cache.Store
	metrics  *prometheus.Registry
	logged   *bytes.Buffer
	config   Config
	sessions *Sessions

	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	agents map[string]*agent // by host
	dials  map[string]int
}

// act runs a test on a stage.
func act(t *testing.T, play func(t *testing.T, s *stage), set ...func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, set...)
		defer s.close()
		play(t, s)
	})
}

func newStage(t *testing.T, set ...func(*stage)) *stage {
	s := &stage{
		t: t, registry: &registry{clusters: map[string]Cluster{}}, store: cache.NewMemory(), metrics: prometheus.NewRegistry(), logged: &bytes.Buffer{},
		agents: map[string]*agent{}, dials: map[string]int{},
	}
	s.config = Config{
		Registry: s.registry, Insecure: true, Holder: "holder", Metrics: s.metrics, Log: slog.New(slog.NewTextHandler(s.logged, nil)),
		DialContext: s.dial, Random: func() float64 { return 0.5 },
	}
	for _, f := range set {
		f(s)
	}
	s.config.Store = s.store
	s.run()
	return s
}

func (s *stage) run() {
	ctx, cancel := context.WithCancel(context.Background())
	s.sessions, s.cancel, s.ended = New(s.config), cancel, make(chan struct{})
	go func() {
		defer close(s.ended)
		if err := s.sessions.Run(ctx); err != nil {
			s.t.Errorf("run: %v", err)
		}
	}()
	synctest.Wait()
}

// stop ends the master.
func (s *stage) stop() {
	s.cancel()
	<-s.ended
}

// restart is a new master process with the same registry and Store.
func (s *stage) restart() {
	s.stop()
	s.config.Metrics = prometheus.NewRegistry()
	s.run()
}

func (s *stage) close() {
	s.stop()
	for _, a := range s.agents {
		a.close()
	}
	if strings.Contains(s.logged.String(), "level=ERROR") {
		s.t.Errorf("logged:\n%s", s.logged)
	}
}

func (s *stage) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, _ := strings.Cut(address, ":")
	s.mu.Lock()
	a := s.agents[host]
	s.dials[host]++
	s.mu.Unlock()
	if a == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	return a.listener.Dial(ctx)
}

func (s *stage) dialsOf(host string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dials[host]
}

// cluster registers a cluster with an agent. Its session is that of the issue's
// example: period 1 s, duration 15 s, TTL 3 s; no idle refresh.
func (s *stage) cluster(name string, change ...func(*Cluster)) *agent {
	return s.scripted(name, nil, change...)
}

// scripted is a cluster whose agent does as it likes from the beginning.
func (s *stage) scripted(name string, script func(*talk), change ...func(*Cluster)) *agent {
	a := newAgent(s.t, name)
	a.script = script
	s.mu.Lock()
	s.agents[name] = a
	s.mu.Unlock()
	s.register(name, change...)
	return a
}

func (s *stage) register(name string, change ...func(*Cluster)) {
	c := Cluster{
		Name: name, Generation: 1, Endpoint: "ws://" + name + ":7443",
		RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 3 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	s.registry.set(c)
	s.sessions.Sync(name)
}

// edit changes a registered cluster, as a person would.
func (s *stage) edit(name string, change func(*Cluster)) {
	c, _ := s.registry.Cluster(name)
	c.Generation++
	change(&c)
	s.registry.set(c)
	s.sessions.Sync(name)
}

// await is a GET that waits for so long.
func (s *stage) await(name string, timeout time.Duration) (*Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return s.sessions.Await(ctx, name)
}

// get is a GET that has to be answered at once, but for the dial.
func (s *stage) get(name string) *Report {
	s.t.Helper()
	start := time.Now()
	v, err := s.await(name, 10*time.Second)
	if err != nil {
		s.t.Fatalf("get %s after %s: %v", name, time.Since(start), err)
	}
	if !v.Fresh(time.Now()) {
		s.t.Fatalf("get %s gave what expired %s ago", name, time.Since(v.ExpiresAt))
	}
	return v
}

// pass lets time pass.
func (s *stage) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *stage) wantPhase(name string, want Phase) {
	s.t.Helper()
	synctest.Wait()
	if o := s.sessions.Status(name); o.Session.Phase != want {
		s.t.Fatalf("%s is %s (%s: %s), want %s", name, o.Session.Phase, o.Reason, o.Message, want)
	}
}

func (s *stage) wantReason(name string, want Reason) Status {
	s.t.Helper()
	synctest.Wait()
	o := s.sessions.Status(name)
	if o.Reason != want {
		s.t.Fatalf("%s has the reason %s (%s), want %s", name, o.Reason, o.Message, want)
	}
	return o
}

// wantIdle fails unless nothing of the cluster runs any more.
func (s *stage) wantIdle(name string) {
	s.t.Helper()
	s.wantPhase(name, Idle)
	m := s.sessions.cluster(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running {
		s.t.Fatalf("the goroutine of %s still runs", name)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// registry is a Registry in memory.
type registry struct {
	mu       sync.Mutex
	clusters map[string]Cluster
}

func (r *registry) Resolve(name string) (string, bool) {
	_, ok := r.Cluster(name)
	return name, ok
}

func (r *registry) Cluster(name string) (Cluster, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.clusters[name]
	return c, ok
}

func (r *registry) set(c Cluster) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clusters[c.Name] = c
}

func (r *registry) remove(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, name)
}

func name(i int) string { return fmt.Sprintf("c%03d", i) }
