// Package idle_test measures the traffic of a cluster without demand: a real master
// and a real agent, over TLS, in memory and in virtual time.
package idle_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/memconn"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/sessiontest"
)

const (
	name    = "prod-eu"
	refresh = 5 * time.Minute
)

// writeCounter records the sizes of the writes of one side, by connection.
type writeCounter struct {
	mu    sync.Mutex
	conns [][]int
}

// wrap returns a connection whose writes are recorded.
func (l *writeCounter) wrap(c net.Conn) net.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, nil)
	return &countedConn{Conn: c, counter: l, number: len(l.conns) - 1}
}

// countedConn is a connection whose writes are recorded.
type countedConn struct {
	net.Conn
	counter *writeCounter
	number  int
}

// Write implements net.Conn.
func (c *countedConn) Write(p []byte) (int, error) {
	c.counter.mu.Lock()
	c.counter.conns[c.number] = append(c.counter.conns[c.number], len(p))
	c.counter.mu.Unlock()
	return c.Conn.Write(p)
}

// listener accepts connections whose writes are recorded.
type listener struct {
	*memconn.Listener
	counter *writeCounter
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.counter.wrap(c), nil
}

// registry is a master's registry with the only cluster.
// startAgent starts an agent with the objects of cluster. stop ends it.
func startAgent(t *testing.T, l net.Listener, public ed25519.PublicKey) (pin string, stop func()) {
	t.Helper()
	config, err := tlsfiles.ServerConfig("", "", slog.New(slog.DiscardHandler), name, name)
	if err != nil {
		t.Fatal(err)
	}
	config.SessionTicketsDisabled = true
	snap := snapshot.New(1)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = snap.Run(ctx) })
	handler := report.New(report.Config{
		ClusterName: name, AgentVersion: "v0.1.0", Store: snap, Verifier: token.NewVerifier(name, public),
		Identity:         func() (string, string, bool) { return "0b6f4c5e-6f0e-4a38-9a53-5f1a3d9c7f11", "v1.36.3", true },
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	server := &http.Server{Handler: handler, TLSConfig: config, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	running.Go(func() { _ = server.ServeTLS(l, "", "") })
	snap.Update(cluster())
	for i := range state.NumSections {
		snap.SetSection(i, state.SectionStatus{Live: true})
	}
	return tlsfiles.Pin(config.Certificates[0].Leaf), func() {
		_ = handler.Shutdown(ctx)
		_ = server.Close()
		cancel()
		running.Wait()
	}
}

// cluster returns 5,000 pods, twenty of which are unschedulable.
func cluster() (c state.Changes) {
	for i := range 25 {
		node := fmt.Sprintf("node-%02d", i)
		has := state.Resources{CPUMillis: 32_000, MemoryBytes: 128 << 30, EphemeralStorageBytes: 500 << 30, Pods: 250}
		c.Upserts = append(c.Upserts, &state.Node{Name: node, Ready: state.True, Schedulable: true, Capacity: has, Allocatable: has},
			&state.NodeLoad{Node: node, Requested: state.Resources{CPUMillis: 20_000 + int64(i), MemoryBytes: 40 << 30}, Pods: 200})
	}
	for i := range 5000 {
		p := &state.Pod{Namespace: fmt.Sprintf("team-%d", i%12), Name: fmt.Sprintf("web-7d9c6b5f8d-%05x", 7919*i%0xfffff), Node: fmt.Sprintf("node-%02d", i%25), Phase: state.PodRunning}
		if i%250 == 0 {
			p.Node, p.Phase, p.Reason, p.Message, p.UnschedulableSince = "", state.PodPending, "Unschedulable", "0/25 nodes are available: 25 Insufficient cpu.", state.TimeOf(time.Now())-3600
			p.NotReadySince, p.Owner = p.UnschedulableSince, state.Owner{Kind: "Deployment", Name: p.Name[:10] + fmt.Sprint(i)}
		}
		c.Upserts = append(c.Upserts, p, &state.Container{Namespace: p.Namespace, Pod: p.Name, Name: "app", Node: p.Node, State: state.Running, Ready: true})
	}
	return c
}

func TestRefreshOfAnIdleClusterIsSmall(t *testing.T) {
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var up, down writeCounter
		front := memconn.Listen(64 << 10)
		pin, stop := startAgent(t, listener{front, &down}, key.Public().(ed25519.PublicKey))
		synctest.Wait()
		sessions := session.New(session.Config{
			Registry: sessiontest.NewRegistry(session.Cluster{
				Name: name, Generation: 1, Endpoint: "wss://10.20.0.7:7443", TLS: dial.TLS{PinnedSHA256: []string{pin}},
				RequestPeriod: 5 * time.Second, SessionDuration: 30 * time.Minute, CacheTTL: 10 * time.Second, IdleRefresh: refresh,
			}),
			Signer: token.NewSigner(key), Log: slog.New(slog.DiscardHandler),
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := front.Dial(ctx)
				if err != nil {
					return nil, err
				}
				return up.wrap(c), nil
			},
		})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() { ended <- sessions.Run(ctx) }()
		sessions.Sync(name)
		<-time.After(4 * refresh)
		synctest.Wait()
		cancel()
		<-ended
		stop()
		check(t, &up, &down)
	})
}

// check checks the sizes of the first refresh, which includes problems and resources, and of a later one.
func check(t *testing.T, up, down *writeCounter) {
	t.Helper()
	if len(up.conns) < 3 || len(down.conns) != len(up.conns) {
		t.Fatalf("got %d refreshes and %d responses, want at least three", len(up.conns), len(down.conns))
	}
	for i, most := range map[int]struct{ up, down, both int }{0: {640, 900, 1500}, 2: {640, 400, 1000}} {
		toAgent, toMaster := up.conns[i], down.conns[i]
		t.Logf("refresh %d: handshake %d and %d; to the agent %d, to the master %d", i+1, toAgent[:2], toMaster[:1], toAgent[2:], toMaster[1:])
		if n := sum(toAgent[2:]); n > most.up {
			t.Errorf("refresh %d: got %d bytes to the agent, want at most %d", i+1, n, most.up)
		}
		if n := sum(toMaster[1:]); n > most.down {
			t.Errorf("refresh %d: got %d bytes to the master, want at most %d", i+1, n, most.down)
		}
		if n := sum(toAgent[2:]) + sum(toMaster[1:]); n > most.both {
			t.Errorf("refresh %d: got %d bytes both ways, want at most %d", i+1, n, most.both)
		}
	}
}

// sum returns the sum of the sizes.
func sum(sizes []int) (n int) {
	for _, size := range sizes {
		n += size
	}
	return n
}
