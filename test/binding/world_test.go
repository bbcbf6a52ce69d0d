// Package binding_test attacks the connection between a real master and a real agent, over
// TLS, in memory and in virtual time: by relays, stolen tokens and endpoints that lie.
package binding_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/test/fault"
	"rollcall.dev/rollcall/test/memconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name   = "prod-eu"
	buffer = 64 << 10
)

// world is a master and an agent, and somebody between them.
type world struct {
	t      *testing.T
	signer *token.Signer

	verifier *token.Verifier
	handler  *report.Handler
	listener *memconn.Listener // the agent's
	pin      string            // of the agent's certificate

	registry *registry
	sessions *session.Sessions
	// dialed is where the master's dials lead to.
	dialed *memconn.Listener
}

// registry knows the one cluster.
type registry struct {
	mu      sync.Mutex
	cluster session.Cluster
}

func (r *registry) Resolve(n string) (string, bool) { return n, n == name }

func (r *registry) Cluster(n string) (session.Cluster, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cluster, n == name
}

// inWorld runs f with an agent that knows the master's key. The master has no cluster yet:
// see register.
func inWorld(t *testing.T, edit func(*report.Config), f func(t *testing.T, w *world)) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, signer: token.NewSigner(key), verifier: token.NewVerifier(name, key.Public().(ed25519.PublicKey)),
			listener: memconn.Listen(buffer), registry: &registry{},
		}
		stopAgent := w.startAgent(edit)
		stopMaster := w.startMaster(nil)
		f(t, w)
		stopMaster()
		stopAgent()
	})
}

// startAgent serves one pod over TLS.
func (w *world) startAgent(edit func(*report.Config)) (stop func()) {
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), name, name)
	if err != nil {
		w.t.Fatal(err)
	}
	config.MinVersion, config.SessionTicketsDisabled = tls.VersionTLS13, true
	w.pin = tlsfiles.Pin(config.Certificates[0].Leaf)
	snap := snapshot.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = snap.Run(ctx) })
	cfg := report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Store: snap, Verifier: w.verifier,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if edit != nil {
		edit(&cfg)
	}
	w.handler = report.New(cfg)
	server := &http.Server{Handler: w.handler, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	running.Go(func() { _ = server.ServeTLS(w.listener, "", "") })
	snap.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "secret", Name: "pod", Phase: state.PodRunning}}})
	for i := range state.NumSections {
		snap.SetSection(i, state.SectionStatus{Live: true})
	}
	synctest.Wait()
	return func() {
		_ = w.handler.Shutdown(ctx)
		_ = server.Close()
		cancel()
		running.Wait()
	}
}

func (w *world) startMaster(through *url.URL) (stop func()) {
	w.sessions = session.New(session.Config{
		Registry: w.registry, Signer: w.signer, Log: slog.New(slog.DiscardHandler), Insecure: true, Proxy: through,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dialed.Dial(ctx) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.sessions.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
	}
}

// register makes the master dial a listener and pin its certificate.
func (w *world) register(l *memconn.Listener, pin string, change ...func(*session.Cluster)) {
	w.dialed = l
	w.edit(func(c *session.Cluster) {
		*c = session.Cluster{
			Name: name, Endpoint: "wss://10.20.0.7:7443", TLS: session.TLS{PinnedSHA256: []string{pin}},
			RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 5 * time.Second,
		}
		for _, f := range change {
			f(c)
		}
	})
}

func (w *world) edit(change func(*session.Cluster)) {
	w.registry.mu.Lock()
	generation := w.registry.cluster.Generation + 1
	change(&w.registry.cluster)
	w.registry.cluster.Generation = generation
	w.registry.mu.Unlock()
	w.sessions.Sync(name)
}

// get asks the master for the cluster.
func (w *world) get() (*session.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return w.sessions.Await(ctx, name)
}

// wantRefused fails unless the cluster cannot be reached as the agent refuses the master.
func (w *world) wantRefused(words string) {
	w.t.Helper()
	v, err := w.get()
	var u *session.UnreachableError
	if !errors.As(err, &u) || u.Reason != session.Unauthorized || !strings.Contains(u.Error(), words) {
		w.t.Fatalf("got %v, %v, want %s with %q", v, err, session.Unauthorized, words)
	}
}

// relay stands between master and agent, with a certificate of its own that the master
// accepts, and passes every message on as it is. It notes what the agent sends.
type relay struct {
	*fault.Relay
	front *memconn.Listener

	mu sync.Mutex
	// sent are the sizes of what the agent sent, by connection.
	sent map[int][]int
}

func (w *world) startRelay() (r *relay, stop func()) {
	r = &relay{front: memconn.Listen(buffer), sent: map[int][]int{}}
	var err error
	r.Relay, err = fault.New(fault.Config{Agent: "wss://agent", Listener: r.front, TLS: true, Dial: w.listener.Dial})
	if err != nil {
		w.t.Fatal(err)
	}
	r.SetPlan(func(p fault.Message) fault.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.Direction == fault.ToMaster {
			r.sent[p.Connection] = append(r.sent[p.Connection], p.Size)
		}
		return fault.Fault{}
	})
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	return r, func() {
		r.Close()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	}
}

// wantNothingTold fails if the agent sent anything but its Hello and its End.
func (r *relay) wantNothingTold(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) == 0 {
		t.Error("nobody came by the relay")
	}
	for n, sizes := range r.sent {
		if len(sizes) != 2 || sizes[0] > 64 {
			t.Errorf("connection %d: the agent sent messages of %v bytes, want a Hello and an End", n, sizes)
		}
	}
}
