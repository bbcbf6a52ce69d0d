package link_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/sessiontest"
	"rollcall.dev/rollcall/master/view"
)

const (
	// idleLinks is the number of links whose memory is measured.
	idleLinks = 1000
	// maxIdleMemory is how many bytes of heap and stacks an idle link may take in the master.
	maxIdleMemory = 40 << 10
	// agentsVariable is the environment variable that makes this program run agents that dial a hub. Its value has the
	// hub's address, pin and public key.
	agentsVariable = "ROLLCALL_TEST_LINKED_AGENTS"
)

// TestIdleLinkMemory measures the memory of a master's idle links over TLS and TCP. Their agents are in another
// process.
func TestIdleLinkMemory(t *testing.T) {
	hub := startTCPHub(t)
	before := memoryInUse()
	hub.startAgents(t)
	for deadline := time.Now().Add(time.Minute); hub.links(t) < idleLinks; <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute %d of %d agents are linked", hub.links(t), idleLinks)
		}
	}
	each := (memoryInUse() - before) / idleLinks
	t.Logf("an idle link takes %d bytes of the master", each)
	if each > maxIdleMemory {
		t.Errorf("an idle link takes %d bytes of the master, want at most %d", each, maxIdleMemory)
	}
}

// memoryInUse returns the bytes of live objects and of stacks.
func memoryInUse() int64 {
	for range 3 { // a pool is empty after two collections
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// tcpHub is a master that listens on loopback, as the master's program does.
type tcpHub struct {
	address, pin string
	public       ed25519.PublicKey
	metrics      *prometheus.Registry
}

// startTCPHub starts a master that has idleLinks clusters, until the test ends.
func startTCPHub(t *testing.T) *tcpHub {
	t.Helper()
	signing, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), "hub", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hub := &tcpHub{
		address: listener.Addr().String(), pin: tlsfiles.Pin(config.Certificates[0].Leaf), public: signing.Public().(ed25519.PublicKey), metrics: prometheus.NewRegistry(),
	}
	registry := sessiontest.NewRegistry()
	for i := range idleLinks {
		c := session.Cluster{Name: linkName(i), Reverse: true, RequestPeriod: time.Second, SessionDuration: time.Minute, CacheTTL: 5 * time.Second}
		c.TLS.PinnedSHA256 = []string{fingerprint(t, linkKey(i))}
		registry.Set(c)
	}
	sessions := session.New(session.Config{
		Registry: registry, Signer: token.NewSigner(signing), ClusterOfKey: registry.ClusterOfKey, Log: slog.New(slog.DiscardHandler), Metrics: hub.metrics,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") },
	})
	hub.serve(t, sessions, registry, listener, config)
	return hub
}

// serve runs the sessions and the HTTP API of a master until the test ends.
func (hub *tcpHub) serve(t *testing.T, sessions *session.Sessions, registry *sessiontest.Registry, listener net.Listener, config *tls.Config) {
	api := httpapi.New(httpapi.Config{
		Sessions: sessions, Registry: registry, Documents: view.NewDocumentCache(1 << 20), Links: sessions.Links(),
		Gatherer: hub.metrics, Metrics: hub.metrics, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = sessions.Run(ctx) })
	running.Go(func() { _ = api.Serve(ctx, listener, config) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for i := range idleLinks {
		if err := sessions.Sync(linkName(i)); err != nil {
			t.Fatal(err)
		}
	}
}

// links returns the number of idle links.
func (hub *tcpHub) links(t *testing.T) int {
	t.Helper()
	families, err := hub.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "rollcall_idle_links" {
			return int(f.GetMetric()[0].GetGauge().GetValue())
		}
	}
	t.Fatal("there is no metric rollcall_idle_links")
	return 0
}

// startAgents starts a process with an agent for each cluster, until the test ends.
func (hub *tcpHub) startAgents(t *testing.T) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agents := exec.Command(executable)
	agents.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %x", agentsVariable, hub.address, hub.pin, []byte(hub.public)))
	agents.Stderr = os.Stderr
	input, err := agents.StdinPipe() // they end when it is closed
	if err != nil {
		t.Fatal(err)
	}
	if err := agents.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		if err := agents.Wait(); err != nil {
			t.Errorf("the agents: %v", err)
		}
	})
}

// linkedAgents keeps a link to a hub for each cluster until standard input ends. hub is the value of agentsVariable.
func linkedAgents(hub string) error {
	var address, pin, key string
	if _, err := fmt.Sscan(hub, &address, &pin, &key); err != nil {
		return err
	}
	public, err := hex.DecodeString(key)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	for i := range idleLinks {
		running.Go(func() { _ = newLinkedAgent(i, address, pin, public).Run(ctx) })
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	cancel()
	running.Wait()
	return err
}

// newLinkedAgent returns the i-th agent. It reports nothing.
func newLinkedAgent(i int, address, pin string, public ed25519.PublicKey) *dial.Dialer {
	return dial.New(dial.Config{
		Target: func() (dial.Target, error) {
			return dial.Target{Hub: &url.URL{Scheme: "wss", Host: address}, Trust: tlsfiles.Trust{PinnedSHA256: []string{pin}}}, nil
		},
		Cluster: linkName(i), Version: "v0.1.0", UID: func() (string, bool) { return "uid-" + linkName(i), true },
		Key: func() (crypto.Signer, error) { return linkKey(i), nil }, Verifier: token.NewVerifier(linkName(i), public),
		Serve: func(*dial.Conn, string, token.Channel) bool { return false }, Log: slog.New(slog.DiscardHandler),
	})
}

func linkName(i int) string { return fmt.Sprintf("edge-%04d", i) }

// linkKey returns the key of the i-th agent, which is the same in each process.
func linkKey(i int) crypto.Signer {
	seed := sha256.Sum256([]byte(linkName(i)))
	return ed25519.NewKeyFromSeed(seed[:])
}
