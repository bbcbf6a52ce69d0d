// Package link_test runs real masters and real agents that dial them, over TLS, in memory and in virtual time, and
// attacks the connection between them.
package link_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

func TestMain(m *testing.M) {
	if hub := os.Getenv(agentsVariable); hub != "" {
		if err := linkedAgents(hub); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	name   = "edge-1"
	buffer = 64 << 10
)

// environment is a master that agents dial.
type environment struct {
	t        *testing.T
	signer   *token.Signer
	public   ed25519.PublicKey
	registry *sessiontest.Registry
	tls      *tls.Config
	pin      string // of the master's certificate

	listener *memconn.Listener
	sessions *session.Sessions
	refused  *refusals
	// joinKeys has the cluster of each join token, and onEnroll enrolls keys, or is nil. They are set before agents start.
	joinKeys map[string]string
	onEnroll func(context.Context, link.Candidate) *link.Refused
	// stopMaster stops the running master.
	stopMaster func()
}

// refusals collects the causes of refused links.
type refusals struct {
	mu   sync.Mutex
	list []string
}

func (r *refusals) add(cluster string, refused *link.Refused) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, cluster+": "+refused.Error())
}

func (r *refusals) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.list) == 0 {
		return ""
	}
	return r.list[len(r.list)-1]
}

// run runs f in virtual time, with a master that has no cluster yet.
func run(t *testing.T, f func(t *testing.T, env *environment)) {
	t.Helper()
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "hub", "hub")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		env := &environment{
			t: t, signer: token.NewSigner(key), public: key.Public().(ed25519.PublicKey), registry: sessiontest.NewRegistry(),
			tls: config, pin: tlsfiles.Pin(config.Certificates[0].Leaf), refused: &refusals{},
		}
		env.startMaster()
		f(t, env)
		env.stopMaster()
	})
}

// clusterOfKey returns the cluster of an agent's key or join key.
func (env *environment) clusterOfKey(key string) (string, error) {
	if name, ok := env.joinKeys[key]; ok {
		return name, nil
	}
	return env.registry.ClusterOfKey(key)
}

// enrollKey enrolls no key, unless a test has set onEnroll.
func (env *environment) enrollKey(ctx context.Context, c link.Candidate) *link.Refused {
	if env.onEnroll == nil {
		return &link.Refused{Code: link.NotAdmitted, Message: "no key is enrolled"}
	}
	return env.onEnroll(ctx, c)
}

// startMaster starts a master. It replaces a stopped one.
func (env *environment) startMaster() {
	env.listener = memconn.Listen(buffer)
	env.sessions = session.New(session.Config{
		Registry: env.registry, Signer: env.signer, ClusterOfKey: env.clusterOfKey, Enroll: env.enrollKey, Log: slog.New(slog.DiscardHandler), OnLinkRefused: env.refused.add,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
	})
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: env.sessions.Links(), TLSConfig: env.tls.Clone(), Protocols: new(http.Protocols), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	server.Protocols.SetHTTP1(true)
	var running sync.WaitGroup
	listener := env.listener
	running.Go(func() { _ = server.ServeTLS(listener, "", "") })
	running.Go(func() { _ = env.sessions.Run(ctx) })
	names, _ := env.registry.Names()
	for _, n := range names {
		env.sync(n)
	}
	synctest.Wait()
	env.stopMaster = func() {
		cancel()
		_ = server.Close()
		running.Wait()
	}
}

// register registers a cluster whose agent has a key.
func (env *environment) register(key crypto.Signer, change ...func(*session.Cluster)) {
	env.t.Helper()
	c := session.Cluster{
		Name: name, Reverse: true, RequestPeriod: time.Second, SessionDuration: 15 * time.Second, CacheTTL: 5 * time.Second,
	}
	c.TLS.PinnedSHA256 = []string{fingerprint(env.t, key)}
	for _, f := range change {
		f(&c)
	}
	env.set(c)
}

// set replaces a cluster of the registry.
func (env *environment) set(c session.Cluster) {
	before, _ := env.registry.Cluster(c.Name)
	c.Generation = before.Generation + 1
	env.registry.Set(c)
	env.sync(c.Name)
}

// remove removes a cluster from the registry.
func (env *environment) remove(n string) {
	env.registry.Remove(n)
	env.sync(n)
}

// sync tells the sessions that a cluster of the registry has changed.
func (env *environment) sync(n string) {
	env.t.Helper()
	if err := env.sessions.Sync(n); err != nil {
		env.t.Fatal(err)
	}
}

// get waits for a report of the cluster.
func (env *environment) get() (*session.Report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 12*time.Second)
	defer cancel()
	return env.sessions.Await(ctx, name)
}

// mustGet fails the test unless there is a report.
func (env *environment) mustGet() *session.Report {
	env.t.Helper()
	r, err := env.get()
	if err != nil {
		env.t.Fatalf("get %s: %v", name, err)
	}
	return r
}

// wantNotLinked fails the test unless the cluster has no link.
func (env *environment) wantNotLinked() {
	env.t.Helper()
	_, err := env.get()
	var u *session.UnreachableError
	if !errors.As(err, &u) || u.Reason != "NotLinked" {
		env.t.Fatalf("got %v, want NotLinked", err)
	}
}

// linked reports whether the cluster has a link.
func (env *environment) linked() bool { return !env.sessions.Status(name).Link.Since.IsZero() }

// newKey returns a new key of an agent.
func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	pair, err := tlsfiles.SelfSigned("agent", []string{"agent"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return cert.PrivateKey.(crypto.Signer)
}

func fingerprint(t *testing.T, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return link.Fingerprint(der)
}

// agent is an agent that dials the master.
type agent struct {
	log  *strings.Builder
	stop func()
}

// startAgent starts an agent with one pod. change may change how it dials.
func (env *environment) startAgent(key crypto.Signer, change ...func(*dial.Config)) *agent {
	env.t.Helper()
	a := &agent{log: &strings.Builder{}}
	log := slog.New(slog.NewTextHandler(a.log, nil))
	verifier := token.NewVerifier(name, env.public)
	snap := snapshot.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = snap.Run(ctx) })
	handler := report.New(report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Store: snap, Verifier: verifier,
		Identity:         func() (string, string, bool) { return "uid-1", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	snap.Update(state.Changes{Upserts: []state.Object{&state.Pod{Namespace: "secret", Name: "pod", Phase: state.PodRunning}}})
	for i := range state.NumSections {
		snap.SetSection(i, state.SectionStatus{Live: true})
	}
	synctest.Wait()
	config := dial.Config{
		Target: func() (dial.Target, error) {
			return dial.Target{Hub: &url.URL{Scheme: "wss", Host: "hub:8443"}, Trust: tlsfiles.Trust{PinnedSHA256: []string{env.pin}}}, nil
		},
		Cluster: name, Version: "v0.1.0", UID: func() (string, bool) { return "uid-1", true }, Key: func() (crypto.Signer, error) { return key, nil },
		Verifier: verifier, Log: log,
		Serve: func(conn *dial.Conn, masterID string, channel token.Channel) bool {
			return handler.ServeLink(conn, masterID, channel)
		},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return env.listener.Dial(ctx) },
	}
	for _, f := range change {
		f(&config)
	}
	dialer := dial.New(config)
	linking, stopLinking := context.WithCancel(ctx)
	running.Go(func() { _ = dialer.Run(linking) })
	synctest.Wait()
	a.stop = sync.OnceFunc(func() {
		stopLinking()
		_ = handler.Shutdown(ctx)
		cancel()
		running.Wait()
	})
	env.t.Cleanup(a.stop)
	return a
}

// restart stops the master and starts another.
func (env *environment) restart() {
	env.t.Helper()
	env.stopMaster()
	env.startMaster()
}

// edit changes the cluster.
func (env *environment) edit(change func(*session.Cluster)) {
	c, _ := env.registry.Cluster(name)
	change(&c)
	env.set(c)
}

// blackhole drops everything that an agent and the master send while it is set, without closing the connection.
type blackhole struct {
	mu  sync.Mutex
	cut bool
}

func (b *blackhole) set(cut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = cut
}

func (b *blackhole) isSet() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cut
}

// apply makes an agent dial through the blackhole.
func (b *blackhole) apply(env *environment) func(*dial.Config) {
	return func(c *dial.Config) {
		c.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			if b.isSet() {
				<-time.After(5 * time.Second)
				return nil, errors.New("no answer")
			}
			conn, err := env.listener.Dial(ctx)
			return &cutConn{conn, b}, err
		}
	}
}

// cutConn is a connection through a blackhole.
type cutConn struct {
	net.Conn
	hole *blackhole
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.hole.isSet() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}
