// Package owner_test runs several real masters that share a Store, and a real agent, in memory and in virtual time. All of
// the masters believe to own the cluster.
package owner_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/cache"
	masterreport "rollcall.dev/rollcall/master/report"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "prod-eu"

// environment is an agent and the masters that it reports to.
type environment struct {
	t        *testing.T
	signer   *token.Signer
	verifier *token.Verifier
	store    *switchedStore
	agent    *agent
	// listener is that of the agent, for the masters.
	listener atomic.Pointer[memconn.Listener]
	pods     int
}

// run runs f in virtual time, with an agent and no master.
func run(t *testing.T, f func(t *testing.T, env *environment)) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		env := &environment{
			t: t, signer: token.NewSigner(key), verifier: token.NewVerifier(name, key.Public().(ed25519.PublicKey)),
			store: &switchedStore{Store: cache.NewMemory()},
		}
		env.agent = env.startAgent(1)
		f(t, env)
		env.agent.stop()
	})
}

// switchedStore is a Store that can be away, or be replaced by an empty one.
type switchedStore struct {
	mu sync.Mutex
	cache.Store
	away bool
}

// set makes the Store away, or back with its content or empty.
func (s *switchedStore) set(away, empty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away = away; empty {
		s.Store = cache.NewMemory()
	}
}

func (s *switchedStore) current() (cache.Store, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, cache.ErrUnavailable
	}
	return s.Store, nil
}

func (s *switchedStore) Load(ctx context.Context, cluster string, ttl time.Duration) (*masterreport.Report, error) {
	store, err := s.current()
	if err != nil {
		return nil, err
	}
	return store.Load(ctx, cluster, ttl)
}

func (s *switchedStore) Save(ctx context.Context, r *masterreport.Report) error {
	store, err := s.current()
	if err != nil {
		return err
	}
	return store.Save(ctx, r)
}

func (s *switchedStore) LastTerm(ctx context.Context, cluster string) (uint64, error) {
	store, err := s.current()
	if err != nil {
		return 0, err
	}
	return store.LastTerm(ctx, cluster)
}

func (s *switchedStore) TakeTerm(ctx context.Context, cluster string, term uint64) error {
	store, err := s.current()
	if err != nil {
		return err
	}
	return store.TakeTerm(ctx, cluster, term)
}

// agent is a process of the agent.
type agent struct {
	listener *memconn.Listener
	snapshot *snapshot.Store
	metrics  *prometheus.Registry
	stop     func()
}

// startAgent starts the agent of the cluster with an epoch.
func (env *environment) startAgent(epoch uint64) *agent {
	a := &agent{listener: memconn.Listen(64 << 10), snapshot: snapshot.New(epoch), metrics: prometheus.NewRegistry()}
	env.listener.Store(a.listener)
	handler := report.New(report.Config{
		ClusterName: name, AgentVersion: "v0.2.0", Store: a.snapshot, Verifier: env.verifier, Unbound: true,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: a.metrics,
	})
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: handler}
	var running sync.WaitGroup
	running.Go(func() { _ = a.snapshot.Run(ctx) })
	running.Go(func() { _ = server.Serve(a.listener) })
	for i := range state.NumSections {
		a.snapshot.SetSection(i, state.SectionStatus{Live: true})
	}
	env.pods++
	a.snapshot.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "ns", Name: fmt.Sprint("pod-", env.pods)}}})
	synctest.Wait()
	a.stop = sync.OnceFunc(func() {
		_ = handler.Shutdown(ctx)
		_ = server.Close()
		cancel()
		running.Wait()
	})
	return a
}

// sessions returns the number of open sessions of the agent.
func (a *agent) sessions(t *testing.T) float64 {
	t.Helper()
	families, err := a.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "rollcall_agent_sessions" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there are %d metrics, and none of sessions", testutil.CollectAndCount(a.metrics))
	return 0
}

// change adds a pod to the cluster.
func (env *environment) change() {
	env.pods++
	env.agent.snapshot.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "ns", Name: fmt.Sprint("pod-", env.pods)}}})
	synctest.Wait()
}

// master is a master with a reader, who always watches.
type master struct {
	env      *environment
	name     string
	sessions *session.Sessions
	stop     func()

	mu     sync.Mutex
	dials  int
	paused chan struct{} // not nil while the master's connections deliver nothing; closed when they do again

	last masterreport.Version // what the reader has seen
}

// startMaster starts a master with a reader.
func (env *environment) startMaster(id string) *master {
	env.t.Helper()
	m := &master{env: env, name: id}
	m.sessions = session.New(session.Config{
		Registry: sessiontest.NewRegistry(session.Cluster{
			Name: name, Generation: 1, Endpoint: "ws://agent:7443", RequestPeriod: time.Second, SessionDuration: time.Minute, CacheTTL: 10 * time.Second,
		}),
		Store: env.store, Signer: env.signer, Insecure: true, Holder: id, Log: slog.New(slog.DiscardHandler), DialContext: m.dial,
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = m.sessions.Run(ctx) })
	release, err := m.sessions.Watch(ctx, name)
	if err != nil {
		env.t.Fatal(err)
	}
	m.stop = func() {
		release()
		cancel()
		running.Wait()
	}
	synctest.Wait()
	return m
}

func (m *master) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	m.mu.Lock()
	m.dials++
	m.mu.Unlock()
	conn, err := m.env.listener.Load().Dial(ctx)
	return &pausedConn{conn, m}, err
}

// pause stops the delivery of what the agent sends, as if the process was stopped.
func (m *master) pause() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.paused = make(chan struct{})
}

// resume delivers everything that the agent has sent meanwhile.
func (m *master) resume() {
	m.mu.Lock()
	close(m.paused)
	m.paused = nil
	m.mu.Unlock()
	synctest.Wait()
}

// pausedConn is a connection of a master that can be paused.
type pausedConn struct {
	net.Conn
	master *master
}

func (c *pausedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.master.mu.Lock()
	paused := c.master.paused
	c.master.mu.Unlock()
	if paused != nil {
		<-paused
	}
	return n, err
}

// look checks that the reader's versions never go back, and that a newer version has no older content.
func (m *master) look() {
	m.env.t.Helper()
	r, ok := m.sessions.LastReport(name)
	if !ok {
		return
	}
	v := r.Version()
	if v.Compare(m.last) < 0 || v.Epoch == m.last.Epoch && v.Seq < m.last.Seq {
		m.env.t.Fatalf("a reader of %s got %s after %s", m.name, v, m.last)
	}
	m.last = v
}

// observe lets time pass while the cluster changes and readers look.
func (env *environment) observe(d time.Duration, masters ...*master) {
	env.t.Helper()
	for i := range int(d / (250 * time.Millisecond)) {
		if i%8 == 0 {
			env.change()
		}
		<-time.After(250 * time.Millisecond)
		synctest.Wait()
		for _, m := range masters {
			m.look()
		}
	}
}
