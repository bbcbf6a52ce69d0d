package history_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"k8s.io/client-go/kubernetes/fake"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/cachetest"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/membership/membershiptest"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name   = "prod-eu"
	period = time.Second
	ttl    = 3 * time.Second
	// buffer is the size of the buffers of in-memory connections, in bytes.
	buffer = 64 << 10
)

// masterKilled is the name of the fault of a master that ended without saving its state.
const masterKilled = "a master was killed"

// harness is one cluster with an agent, a relay that injects faults, a master, and the
// record of the run. Only the network and the cluster itself are fakes.
type harness struct {
	t       *testing.T
	history *history.History
	random  *rand.Rand // used by the test's goroutine only
	// pause is the maximum time between two changes.
	pause time.Duration

	// The state of the cluster.
	cluster  *statetest.Cluster
	sections [state.NumSections]state.SectionError
	epoch    uint64

	relay *fault.Relay
	front *memconn.Listener
	store *cachetest.Shared

	// Of several masters:

	network *membershiptest.Network
	leases  *fake.Clientset

	mu            sync.Mutex
	agent         *agent     // nil if it is not running
	masters       []*master  // each is nil if it is not running
	balance       *rand.Rand // chooses masters for readers
	injectedKinds map[fault.Kind]int
}

// run runs a script in a synctest bubble, with one master, and then checks the record.
func run(t *testing.T, seed uint64, script func(*harness)) {
	t.Helper()
	runMasters(t, seed, 1, script)
}

// runMasters is run with n masters.
func runMasters(t *testing.T, seed uint64, n int, script func(*harness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &harness{
			t: t, history: history.New(t), random: rand.New(rand.NewPCG(seed, 1)), cluster: statetest.New(seed+1, 2, 6), epoch: seed << 8,
			front: memconn.Listen(buffer), store: cachetest.NewShared(), injectedKinds: map[fault.Kind]int{},
			pause: 600 * time.Millisecond, masters: make([]*master, n), balance: rand.New(rand.NewPCG(seed, 3)),
			network: &membershiptest.Network{}, leases: fake.NewClientset(),
		}
		s.history.RequireOrder(name)
		s.history.RequireFreshness(name, ttl+period)
		relay, err := fault.New(fault.Config{Agent: "ws://agent", Listener: s.front, Dial: s.dialAgent, OnInjected: s.injected})
		if err != nil {
			t.Fatal(err)
		}
		s.relay = relay
		ended := make(chan error)
		go func() { ended <- relay.Run(context.Background()) }()
		s.startAgent()
		for i := range n {
			s.startMaster(i)
		}
		script(s)
		for i := range n {
			s.stopMaster(i)
		}
		s.killAgent()
		relay.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.history.Check()
	})
}

// injected records an injected fault.
func (s *harness) injected(f fault.Injected) {
	s.history.Annotate(name, f.String(), f.At)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.injectedKinds[f.Fault.Kind]++
}

// upTo returns a random duration below d.
func (s *harness) upTo(d time.Duration) time.Duration {
	return time.Duration(s.random.Int64N(int64(d)))
}

// agent is a running agent.
type agent struct {
	snapshot    *snapshot.Store
	handler     *report.Handler
	server      *http.Server
	listener    *memconn.Listener
	connections connections
	cancel      context.CancelFunc
	running     sync.WaitGroup
}

// connections has the open connections of a process, which are closed when the process is killed.
type connections struct {
	mu   sync.Mutex
	open []net.Conn
}

func (p *connections) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
}

func (p *connections) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
}

// startAgent starts an agent with a new epoch and the current state of the cluster.
func (s *harness) startAgent() {
	s.epoch++
	a := &agent{snapshot: snapshot.New(s.epoch), listener: memconn.Listen(buffer)}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.running.Go(func() { _ = a.snapshot.Run(ctx) })
	a.handler = report.New(report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Store: a.snapshot,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: period, MaxSession: time.Minute, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	a.server = &http.Server{Handler: a.handler}
	a.running.Go(func() { _ = a.server.Serve(a.listener) })
	s.mu.Lock()
	s.agent = a
	s.mu.Unlock()
	s.updateAgent(func() { a.snapshot.Update(changes(&state.State{}, s.cluster.State)) })
	if s.cluster.State.Usage != nil {
		s.updateAgent(func() { a.snapshot.SetUsage(sample(s.cluster.State)) })
	}
	for i, e := range s.sections {
		s.updateAgent(func() { a.snapshot.SetSection(state.SectionName(i), state.SectionStatus{Live: true, Error: e}) })
	}
	s.history.Annotate(name, "an agent started", time.Now())
}

// killAgent ends the agent without closing its sessions.
func (s *harness) killAgent() {
	s.mu.Lock()
	a := s.agent
	s.agent = nil
	s.mu.Unlock()
	if a == nil {
		return
	}
	_ = a.listener.Close()
	a.connections.cut()
	killed, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.handler.Shutdown(killed)
	_ = a.server.Close()
	a.cancel()
	a.running.Wait()
}

// dialAgent connects the relay to the current agent.
func (s *harness) dialAgent(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	a := s.agent
	s.mu.Unlock()
	if a == nil {
		return nil, errors.New("connection refused")
	}
	conn, err := a.listener.Dial(ctx)
	if err == nil {
		a.connections.add(conn)
	}
	return conn, err
}

// updateAgent calls update, which updates the agent, and records the agent's state.
func (s *harness) updateAgent(update func()) {
	update()
	synctest.Wait()
	s.history.RecordState(name, s.agent.snapshot.Current().State, time.Now())
}

// recordValue records a report that a reader got.
func (s *harness) recordValue(r *history.Reader, v *session.Report) {
	st, err := v.State()
	if err != nil {
		s.t.Errorf("read the state of a report: %v", err)
		return
	}
	r.RecordValue(name, v.Term, st, v.ReceivedAt)
}

// compareWithAgent fails the test unless the agent's state equals that of the cluster. It makes sure that the
// recorded states are correct.
func (s *harness) compareWithAgent() {
	s.t.Helper()
	want := *s.cluster.State
	for i, e := range s.sections {
		want.Sections[i].Error = e
	}
	if d := history.Differences(s.agent.snapshot.Current().State, &want); len(d) > 0 {
		s.t.Fatalf("the agent's state differs from the cluster's: %q", d)
	}
}

// master is a running master.
type master struct {
	*session.Sessions
	store   *fencedStore
	channel *membershiptest.Channel // nil if it is the only one
	// unreachable reports whether it cannot dial the agent.
	unreachable atomic.Bool
	connections connections
	cancel      context.CancelFunc
	ended       chan struct{}
	// api is the HTTP API. Requests are canceled with ctx.
	api *httpapi.API
	ctx context.Context
}

// fencedStore is a Store that fails once its process has been killed.
type fencedStore struct {
	*cachetest.SharedFeed
	killed atomic.Bool
}

// Save returns cache.ErrUnavailable once the process has been killed.
func (f *fencedStore) Save(ctx context.Context, r *session.Report) error {
	if f.killed.Load() {
		return cache.ErrUnavailable
	}
	return f.SharedFeed.Save(ctx, r)
}

// startMaster starts the master of an index with the harness's Store.
func (s *harness) startMaster(index int) {
	m := &master{store: &fencedStore{SharedFeed: s.store.Feed()}, ended: make(chan struct{})}
	jitter := rand.New(rand.NewPCG(s.random.Uint64(), 2))
	known := sessiontest.NewRegistry(session.Cluster{
		Name: name, Generation: 1, Endpoint: "ws://agent:7443",
		RequestPeriod: period, SessionDuration: 15 * time.Second, CacheTTL: ttl, IdleRefresh: 20 * time.Second,
	})
	var mu sync.Mutex
	config := session.Config{
		Registry: known, Store: m.store, Insecure: true, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if m.unreachable.Load() {
				return nil, errors.New("no route to host")
			}
			conn, err := s.front.Dial(ctx)
			if err == nil {
				m.connections.add(conn)
			}
			return conn, err
		},
		// The backoff is a fiftieth of the usual one, which is less than a period.
		Random: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return jitter.Float64() / 50
		},
	}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	runPeers := func(context.Context, *sync.WaitGroup) {}
	if len(s.masters) > 1 {
		runPeers = s.addPeers(m, index, &config)
	}
	m.Sessions = session.New(config)
	runPeers(ctx, &all)
	m.cancel, m.ctx, m.api = cancel, ctx, m.newAPI(known)
	all.Go(func() { _ = m.Run(ctx) })
	go func() {
		defer close(m.ended)
		all.Wait()
	}()
	synctest.Wait()
	m.Sync(name)
	s.mu.Lock()
	s.masters[index] = m
	s.mu.Unlock()
	s.history.Annotate(name, "a master started", time.Now())
}

// newAPI returns the HTTP API of a master.
func (m *master) newAPI(r httpapi.Registry) *httpapi.API {
	metrics := prometheus.NewRegistry()
	return httpapi.New(httpapi.Config{
		Sessions: m.Sessions, Registry: r,
		Documents: view.NewDocumentCache(16 << 20),
		Gatherer:  metrics, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	})
}

// stopMaster stops a master in the same way as SIGTERM.
func (s *harness) stopMaster(index int) {
	if m := s.removeMaster(index); m != nil {
		m.cancel()
		<-m.ended
	}
}

// killMaster stops a master in the same way as SIGKILL: it neither sends nor saves anything more.
func (s *harness) killMaster(index int) {
	if m := s.removeMaster(index); m != nil {
		s.history.Annotate(name, masterKilled, time.Now())
		m.store.killed.Store(true)
		if m.channel != nil {
			m.channel.Cut(true)
		}
		m.connections.cut()
		m.cancel()
		<-m.ended
	}
}

// removeMaster returns a master, nil if it does not run, and marks it as not running.
func (s *harness) removeMaster(index int) *master {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.masters[index]
	s.masters[index] = nil
	return m
}

// current returns a running master, or nil. Of several it is a random one, as behind a Service.
func (s *harness) current() *master {
	s.mu.Lock()
	defer s.mu.Unlock()
	start := s.balance.IntN(len(s.masters))
	for i := range s.masters {
		if m := s.masters[(start+i)%len(s.masters)]; m != nil {
			return m
		}
	}
	return nil
}
