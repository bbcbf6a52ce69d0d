package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/load"
)

// agent is one simulated agent: the agent's real session and snapshot code, over a generated cluster.
type agent struct {
	name     string
	cluster  *cluster
	usage    *load.Usage
	snapshot *snapshot.Store
	handler  *report.Handler

	scheme   string
	listener net.Listener
	server   *http.Server

	// usageSessions is the number of sessions that request usage.
	usageSessions atomic.Int64
}

// newAgent returns an agent that has all objects of its cluster.
func newAgent(name string, c *cluster, usage *load.Usage) *agent {
	a := &agent{name: name, cluster: c, usage: usage, snapshot: snapshot.New(rand.Uint64())}
	a.snapshot.Update(state.Changes{Upserts: c.objects()})
	for section := range state.NumSections {
		a.snapshot.SetSection(section, state.SectionStatus{Live: true})
	}
	a.handler = report.New(report.Config{
		ClusterName: name, AgentVersion: "fleet",
		Identity: func() (string, string, bool) { return "uid-of-" + name, kubernetesVersion, true },
		Store:    a.snapshot, SubscribeUsage: a.useUsage, ReadNodes: a.readNodes,
		MinRequestPeriod: time.Millisecond, MaxSession: 24 * time.Hour,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	return a
}

// listen opens the agent's port. certificate is nil for ws.
func (a *agent) listen(ctx context.Context, port int, certificate *tls.Config) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fmt.Errorf("listen for agent %s: %w", a.name, err)
	}
	a.scheme, a.listener = "ws", listener
	if certificate != nil {
		a.scheme, a.listener = "wss", tls.NewListener(listener, certificate)
	}
	mux := http.NewServeMux()
	mux.Handle(wire.Path, a.handler)
	a.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	return nil
}

// endpoint returns the agent's ws or wss URL.
func (a *agent) endpoint() string { return a.scheme + "://" + a.listener.Addr().String() }

// serve serves sessions until close is called.
func (a *agent) serve() error {
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", a.name, err)
	}
	return nil
}

// close ends the sessions and stops serving.
func (a *agent) close(ctx context.Context) error {
	return errors.Join(a.handler.Shutdown(ctx), a.server.Shutdown(ctx))
}

// useUsage registers a session that requests usage, until release is called.
func (a *agent) useUsage() (release func()) {
	a.usageSessions.Add(1)
	return func() { a.usageSessions.Add(-1) }
}

// sample reads the cluster's usage once a period while a session requests it. The first reading
// is after phase, so that clusters are not sampled at the same time.
func (a *agent) sample(ctx context.Context, period, phase time.Duration) error {
	timer := time.NewTimer(phase)
	defer timer.Stop()
	for n := 0; ; n++ {
		select {
		case <-timer.C:
			timer.Reset(period)
			if a.usageSessions.Load() > 0 {
				a.snapshot.SetUsage(a.cluster.reading(a.name, a.usage, n, time.Now()))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// readNodes returns the nodes' usage for one summary.
func (a *agent) readNodes(context.Context) (state.Reading, error) {
	nodes := state.Reading{}
	for key, used := range a.cluster.reading(a.name, a.usage, 0, time.Now()) {
		if key.Kind == state.KindNode {
			nodes[key] = used
		}
	}
	return nodes, nil
}

// toggleReadiness toggles the readiness of one container.
func (a *agent) toggleReadiness(random *rand.Rand) {
	a.snapshot.Update(state.Changes{Upserts: []state.Object{a.cluster.toggleReadiness(random)}})
}
