// Package binding_test attacks the connection between a real master and a real agent, over
// TLS, in memory and in virtual time: with relays, stolen tokens and malicious endpoints.
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
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/test/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	name   = "prod-eu"
	buffer = 64 << 10
)

// environment is a master and an agent, with an attacker or proxy between them.
type environment struct {
	t      *testing.T
	signer *token.Signer

	verifier *token.Verifier
	handler  *report.Handler
	listener *memconn.Listener // the agent's
	pin      string            // of the agent's certificate

	registry *sessiontest.Registry
	sessions *session.Sessions
	// dialTarget is the listener that the master's dials connect to.
	dialTarget *memconn.Listener
}

// runEnvironment runs f with a master and an agent that has the master's key. The master has no cluster yet:
// see register. edit may change the agent's configuration.
func runEnvironment(t *testing.T, edit func(*report.Config), f func(t *testing.T, env *environment)) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		env := &environment{
			t: t, signer: token.NewSigner(key), verifier: token.NewVerifier(name, key.Public().(ed25519.PublicKey)),
			listener: memconn.Listen(buffer), registry: sessiontest.NewRegistry(),
		}
		stopAgent := env.startAgent(edit)
		stopMaster := env.startMaster(nil)
		f(t, env)
		stopMaster()
		stopAgent()
	})
}

// startAgent starts an agent with one pod, over TLS.
func (env *environment) startAgent(edit func(*report.Config)) (stop func()) {
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), name, name)
	if err != nil {
		env.t.Fatal(err)
	}
	config.MinVersion, config.SessionTicketsDisabled = tls.VersionTLS13, true
	env.pin = tlsfiles.Pin(config.Certificates[0].Leaf)
	snap := snapshot.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = snap.Run(ctx) })
	cfg := report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Store: snap, Verifier: env.verifier,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	}
	if edit != nil {
		edit(&cfg)
	}
	env.handler = report.New(cfg)
	server := &http.Server{Handler: env.handler, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	running.Go(func() { _ = server.ServeTLS(env.listener, "", "") })
	snap.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "secret", Name: "pod", Phase: state.PodRunning}}})
	for i := range state.NumSections {
		snap.SetSection(i, state.SectionStatus{Live: true})
	}
	synctest.Wait()
	return func() {
		_ = env.handler.Shutdown(ctx)
		_ = server.Close()
		cancel()
		running.Wait()
	}
}

// startMaster starts a master that dials through the given proxy, if it is not nil.
func (env *environment) startMaster(proxy *url.URL) (stop func()) {
	env.sessions = session.New(session.Config{
		Registry: env.registry, Signer: env.signer, Log: slog.New(slog.DiscardHandler), Insecure: true, Proxy: proxy,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return env.dialTarget.Dial(ctx) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- env.sessions.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		<-ended
	}
}

// register makes the master dial a listener and pin its certificate.
func (env *environment) register(l *memconn.Listener, pin string, change ...func(*session.Cluster)) {
	env.dialTarget = l
	env.edit(func(c *session.Cluster) {
		*c = session.Cluster{
			Name: name, Endpoint: "wss://10.20.0.7:7443", TLS: dial.TLS{PinnedSHA256: []string{pin}},
			RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 5 * time.Second,
		}
		for _, f := range change {
			f(c)
		}
	})
}

// edit changes the registered cluster.
func (env *environment) edit(change func(*session.Cluster)) {
	env.t.Helper()
	c, _ := env.registry.Cluster(name)
	generation := c.Generation + 1
	change(&c)
	c.Name, c.Generation = name, generation
	env.registry.Set(c)
	if err := env.sessions.Sync(name); err != nil {
		env.t.Fatal(err)
	}
}

// get waits for a report of the cluster.
func (env *environment) get() (*session.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return env.sessions.Await(ctx, name)
}

// wantRefused fails the test unless the agent refuses the master with a message that contains words.
func (env *environment) wantRefused(words string) {
	env.t.Helper()
	v, err := env.get()
	var u *session.UnreachableError
	if !errors.As(err, &u) || u.Reason != dial.Unauthorized || !strings.Contains(u.Error(), words) {
		env.t.Fatalf("got %v, %v, want %s with %q", v, err, dial.Unauthorized, words)
	}
}

// relay is a man in the middle with its own certificate, which the master
// accepts. It forwards every message unchanged and records the sizes of the agent's messages.
type relay struct {
	*fault.Relay
	front *memconn.Listener

	mu sync.Mutex
	// sent has the sizes of the agent's messages, by connection.
	sent map[int][]int
}

// startRelay starts a relay to the agent.
func (env *environment) startRelay() (r *relay, stop func()) {
	r = &relay{front: memconn.Listen(buffer), sent: map[int][]int{}}
	var err error
	r.Relay, err = fault.New(fault.Config{Agent: "wss://agent", Listener: r.front, TLS: true, Dial: env.listener.Dial})
	if err != nil {
		env.t.Fatal(err)
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
			env.t.Error(err)
		}
	}
}

// wantNoReport fails the test if the agent sent anything but Hello and End, or no End at all. A dial that the master has
// cancelled, such as that of a summary when a reader comes, has no End.
func (r *relay) wantNoReport(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sent) == 0 {
		t.Error("got no connection through the relay")
	}
	ended := 0
	for n, sizes := range r.sent {
		if len(sizes) > 2 || sizes[0] > 64 {
			t.Errorf("connection %d: got messages of %v bytes, want a Hello and an End", n, sizes)
		}
		if len(sizes) == 2 {
			ended++
		}
	}
	if ended == 0 {
		t.Error("no connection has a Hello and an End")
	}
}
