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
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/history"
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name   = "prod-eu"
	period = time.Second
	ttl    = 3 * time.Second
	// buffer is what each connection in memory holds on its way.
	buffer = 64 << 10
)

// masterKilled is told of a master that ended without saving what it had.
const masterKilled = "a master was killed"

// stage is one cluster with an agent, a relay that breaks things, a master, and the
// record of what happens: all real but the network and the cluster itself.
type stage struct {
	t       *testing.T
	history *history.History
	random  *rand.Rand // of the test's own goroutine
	// pause is the longest that nothing happens.
	pause time.Duration

	// What the cluster is.
	world    *statetest.World
	sections [state.NumSections]state.SectionError
	epoch    uint64

	relay *fault.Relay
	front *memconn.Listener
	store cache.Store

	mu     sync.Mutex
	agent  *agent  // nil: it is dead
	master *master // nil: it is dead
	broken map[fault.Kind]int
}

// act runs a script on a stage in virtual time, and checks the record of it.
func act(t *testing.T, seed uint64, script func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{
			t: t, history: history.New(t), random: rand.New(rand.NewPCG(seed, 1)), world: statetest.New(seed+1, 2, 6), epoch: seed << 8,
			front: memconn.Listen(buffer), store: cache.NewMemory(), broken: map[fault.Kind]int{},
			pause: 600 * time.Millisecond,
		}
		// A killed master has shown its readers more than it had saved, and the next one shows
		// what was saved under a term of its own. Nothing but a save before each answer, by
		// which several masters will share one Store, can mend that.
		s.history.Ordered(name, masterKilled)
		s.history.Fresh(name, ttl+period)
		relay, err := fault.New(fault.Config{Agent: "ws://agent", Listener: s.front, Dial: s.dialAgent, OnInjected: s.injected})
		if err != nil {
			t.Fatal(err)
		}
		s.relay = relay
		ended := make(chan error)
		go func() { ended <- relay.Run(context.Background()) }()
		s.startAgent()
		s.startMaster()
		script(s)
		s.stopMaster()
		s.killAgent()
		relay.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.history.Check()
	})
}

func (s *stage) injected(f fault.Injected) {
	s.history.Note(name, f.String(), f.At)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[f.Fault.Kind]++
}

// upTo is a random time.
func (s *stage) upTo(d time.Duration) time.Duration { return time.Duration(s.random.Int64N(int64(d))) }

// agent is an agent's process.
type agent struct {
	snapshot *snapshot.Snapshot
	handler  *report.Handler
	server   *http.Server
	listener *memconn.Listener
	pipes    pipes
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// pipes are connections that end when their process is killed.
type pipes struct {
	mu   sync.Mutex
	open []net.Conn
}

func (p *pipes) add(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
}

func (p *pipes) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		_ = c.Close()
	}
}

// startAgent starts an agent's process, which reads its cluster.
func (s *stage) startAgent() {
	s.epoch++
	a := &agent{snapshot: snapshot.New(s.epoch), listener: memconn.Listen(buffer)}
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.running.Go(func() { _ = a.snapshot.Run(ctx) })
	a.handler = report.New(report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Snapshot: a.snapshot,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: period, MaxSession: time.Minute, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	a.server = &http.Server{Handler: a.handler}
	a.running.Go(func() { _ = a.server.Serve(a.listener) })
	s.mu.Lock()
	s.agent = a
	s.mu.Unlock()
	s.feed(func() { a.snapshot.Update(changes(&state.State{}, s.world.State)) })
	if s.world.State.Usage != nil {
		s.feed(func() { a.snapshot.SetUsage(sample(s.world.State)) })
	}
	for i, e := range s.sections {
		s.feed(func() { a.snapshot.SetSection(state.SectionName(i), state.SectionReport{Live: true, Error: e}) })
	}
	s.history.Note(name, "an agent started", time.Now())
}

// killAgent ends the agent's process without a word.
func (s *stage) killAgent() {
	s.mu.Lock()
	a := s.agent
	s.agent = nil
	s.mu.Unlock()
	if a == nil {
		return
	}
	_ = a.listener.Close()
	a.pipes.cut()
	killed, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.handler.Shutdown(killed)
	_ = a.server.Close()
	a.cancel()
	a.running.Wait()
}

// dialAgent is the way from the relay to whichever agent runs.
func (s *stage) dialAgent(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	a := s.agent
	s.mu.Unlock()
	if a == nil {
		return nil, errors.New("connection refused")
	}
	conn, err := a.listener.Dial(ctx)
	if err == nil {
		a.pipes.add(conn)
	}
	return conn, err
}

// feed has the agent learn something, and records what the cluster is by that.
func (s *stage) feed(learn func()) {
	learn()
	synctest.Wait()
	s.history.Truth(name, s.agent.snapshot.Current().State, time.Now())
}

// compare fails unless what the agent made of the cluster is what the cluster is: the
// record of the truth must be true itself.
func (s *stage) compare() {
	s.t.Helper()
	want := *s.world.State
	for i, e := range s.sections {
		want.Sections[i].Error = e
	}
	if d := history.Differences(s.agent.snapshot.Current().State, &want); len(d) > 0 {
		s.t.Fatalf("the agent's state is not the cluster's: %q", d)
	}
}

// master is a master's process.
type master struct {
	*session.Sessions
	store  *fenced
	pipes  pipes
	cancel context.CancelFunc
	ended  chan struct{}
	// api is what clients ask; requests end with gone.
	api  *httpapi.API
	gone context.Context
}

// fenced is a Store that a killed process does not reach any more.
type fenced struct {
	cache.Store
	dead atomic.Bool
}

func (f *fenced) Save(ctx context.Context, cluster string, e cache.Entry) error {
	if f.dead.Load() {
		return cache.ErrAway
	}
	return f.Store.Save(ctx, cluster, e)
}

// registry knows the one cluster.
type registry struct{ endpoint string }

func (r registry) Resolve(n string) (string, bool) { return n, n == name }

func (r registry) Cluster(n string) (session.Cluster, bool) {
	return session.Cluster{
		Name: name, Generation: 1, Endpoint: r.endpoint,
		RequestPeriod: period, SessionDuration: 15 * time.Second, CacheTTL: ttl, IdleRefresh: 20 * time.Second,
	}, n == name
}

// startMaster starts a master's process on the stage's Store.
func (s *stage) startMaster() {
	m := &master{store: &fenced{Store: s.store}, ended: make(chan struct{})}
	jitter := rand.New(rand.NewPCG(s.random.Uint64(), 2))
	known := registry{"ws://agent:7443"}
	var mu sync.Mutex
	m.Sessions = session.New(session.Config{
		Registry: known, Store: m.store, Insecure: true, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := s.front.Dial(ctx)
			if err == nil {
				m.pipes.add(conn)
			}
			return conn, err
		},
		// Pauses between attempts are a fiftieth of what they are else, less than a period.
		Random: func() float64 {
			mu.Lock()
			defer mu.Unlock()
			return jitter.Float64() / 50
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.gone, m.api = cancel, ctx, m.newAPI(known)
	go func() {
		defer close(m.ended)
		_ = m.Run(ctx)
	}()
	synctest.Wait()
	m.Sync(name)
	s.mu.Lock()
	s.master = m
	s.mu.Unlock()
	s.history.Note(name, "a master started", time.Now())
}

// newAPI is the API of a master.
func (m *master) newAPI(r registry) *httpapi.API {
	metrics := prometheus.NewRegistry()
	return httpapi.New(httpapi.Config{
		Sessions: httpapi.Sessions{Await: m.Await, Peek: m.Peek, Observe: m.Observe, Watch: m.Watch, Look: m.Look},
		Registry: httpapi.Registry{
			Resolve:   r.Resolve,
			List:      func() []httpapi.Registered { return []httpapi.Registered{{Name: name}} },
			LastKnown: func(string) (httpapi.LastKnown, bool) { return httpapi.LastKnown{}, false },
		},
		Shelf:    view.NewShelf(16 << 20),
		Gatherer: metrics, Metrics: metrics, Log: slog.New(slog.DiscardHandler),
	})
}

// stopMaster ends the master's process as SIGTERM does.
func (s *stage) stopMaster() {
	if m := s.takeMaster(); m != nil {
		m.cancel()
		<-m.ended
	}
}

// killMaster ends it as SIGKILL does: from then on it reaches nothing.
func (s *stage) killMaster() {
	if m := s.takeMaster(); m != nil {
		s.history.Note(name, masterKilled, time.Now())
		m.store.dead.Store(true)
		m.pipes.cut()
		m.cancel()
		<-m.ended
	}
}

func (s *stage) takeMaster() *master {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.master
	s.master = nil
	return m
}

// now is the master that answers, nil for none.
func (s *stage) now() *master {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.master
}
