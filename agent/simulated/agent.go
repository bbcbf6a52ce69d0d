// Package simulated has made-up clusters, and agents that report them: an agent's real session and snapshot code over
// a generated cluster. They serve `kubectl rollcall local --simulate`, and load a master in tests and benchmarks.
package simulated

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
)

// AgentConfig configures an Agent.
type AgentConfig struct {
	// Name is the name of the cluster, Version the version of the agent that masters see.
	Name, Version string
	Cluster       *Cluster
	// Usage is read every UsagePeriod while a session requests usage, first after UsagePhase, so that clusters are
	// not sampled at the same time.
	Usage                   Usage
	UsagePeriod, UsagePhase time.Duration
	// Verifier has the signing keys of masters. It is required by ServeLink; without it, any client may read the agent.
	Verifier *token.Verifier
}

// Agent is a simulated agent.
type Agent struct {
	config   AgentConfig
	snapshot *snapshot.Store
	handler  *report.Handler
	// usageSessions is the number of sessions that request usage.
	usageSessions atomic.Int64
}

// NewAgent returns an agent that has all objects of its cluster. It is idle until Run is called.
func NewAgent(c AgentConfig) *Agent {
	a := &Agent{config: c, snapshot: snapshot.New(rand.Uint64())} //nolint:gosec // an epoch has to be unique, not secret
	a.snapshot.Update(state.Changes{Upserts: c.Cluster.Objects()})
	for section := range state.NumSections {
		a.snapshot.SetSection(section, state.SectionStatus{Live: true})
	}
	a.handler = report.New(report.Config{
		ClusterName: c.Name, AgentVersion: c.Version,
		Identity: func() (string, string, bool) { return a.UID(), KubernetesVersion, true },
		Store:    a.snapshot, Verifier: c.Verifier, SubscribeUsage: a.subscribeUsage, ReadNodes: a.readNodes,
		MinRequestPeriod: time.Millisecond, MaxSession: 24 * time.Hour,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	return a
}

// Handler returns the handler for masters.
func (a *Agent) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(wire.Path, a.handler)
	return mux
}

// ServeLink serves a connection that the agent has opened; see dial.Config.Serve.
func (a *Agent) ServeLink(conn report.Conn, masterID string, channel token.Channel) (open bool) {
	return a.handler.ServeLink(conn, masterID, channel)
}

// UID returns the UID of the cluster.
func (a *Agent) UID() string { return "uid-of-" + a.config.Name }

// Run keeps the state and usage up to date until ctx ends. Shutdown should be called before.
func (a *Agent) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return a.snapshot.Run(ctx) })
	all.Go(func() error { a.sample(ctx); return nil })
	return all.Wait()
}

// Ready returns a channel that is closed when the agent can report.
func (a *Agent) Ready() <-chan struct{} { return a.snapshot.Ready() }

// Shutdown ends the sessions of all masters.
func (a *Agent) Shutdown(ctx context.Context) error { return a.handler.Shutdown(ctx) }

// Update reports changes of the cluster.
func (a *Agent) Update(c state.Changes) { a.snapshot.Update(c) }

// SetSection sets the status of a section.
func (a *Agent) SetSection(name state.SectionName, status state.SectionStatus) {
	a.snapshot.SetSection(name, status)
}

// subscribeUsage registers a session that requests usage, until release is called.
func (a *Agent) subscribeUsage() (release func()) {
	a.usageSessions.Add(1)
	return func() { a.usageSessions.Add(-1) }
}

// sample reads the cluster's usage once a period while a session requests it, until ctx ends.
func (a *Agent) sample(ctx context.Context) {
	timer := time.NewTimer(a.config.UsagePhase)
	defer timer.Stop()
	for n := 0; ; n++ {
		select {
		case <-timer.C:
			timer.Reset(a.config.UsagePeriod)
			if a.usageSessions.Load() > 0 {
				a.snapshot.SetUsage(a.config.Cluster.Reading(a.config.Usage, n, time.Now()))
			}
		case <-ctx.Done():
			return
		}
	}
}

// readNodes returns the nodes' usage for one summary.
func (a *Agent) readNodes(context.Context) (state.Reading, error) {
	nodes := state.Reading{}
	for key, used := range a.config.Cluster.Reading(a.config.Usage, 0, time.Now()) {
		if key.Kind == state.KindNode {
			nodes[key] = used
		}
	}
	return nodes, nil
}
