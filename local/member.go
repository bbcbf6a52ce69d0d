package local

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/agent"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/agent/usage"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/session/dial"
)

const (
	// minRetry and maxRetry limit the time between two attempts to connect to a cluster.
	minRetry = 2 * time.Second
	maxRetry = 30 * time.Second
)

// member is the cluster of one context, with its agent.
type member struct {
	contexts *contexts
	context  string
	name     string
	registry *registry

	mu sync.Mutex
	// Under mu. agent is nil until the cluster answers; failure is why it does not, nil before the first attempt has
	// ended. changed is closed when one of them changes.
	agent   *agentServer
	failure error
	changed chan struct{}
}

func newMember(c *contexts, context string, registry *registry) *member {
	return &member{contexts: c, context: context, name: c.names[context], registry: registry, changed: make(chan struct{})}
}

// dial connects the master to the agent. It waits until the agent can report, and returns a *dial.Failure if the
// cluster does not answer.
func (m *member) dial(ctx context.Context) (net.Conn, error) {
	for {
		m.mu.Lock()
		a, failure, changed := m.agent, m.failure, m.changed
		m.mu.Unlock()
		switch {
		case a != nil:
			return a.dial(ctx)
		case failure != nil:
			return nil, &dial.Failure{Reason: dial.AgentNotReady, Err: failure}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// set sets the agent or the failure.
func (m *member) set(a *agentServer, failure error) {
	m.mu.Lock()
	same := m.agent == a && m.failure != nil && failure != nil && m.failure.Error() == failure.Error()
	m.agent, m.failure = a, failure
	close(m.changed)
	m.changed = make(chan struct{})
	m.mu.Unlock()
	if same {
		return
	}
	if failure != nil {
		m.contexts.console.printf("%s: %v", m.name, failure)
	}
	m.registry.retry(m.name)
}

// run connects to the cluster until that succeeds, and then runs its agent until ctx ends.
func (m *member) run(ctx context.Context) {
	for wait := minRetry; ; wait = min(2*wait, maxRetry) {
		c, err := m.connect(ctx)
		if err == nil {
			m.runAgent(ctx, c)
			return
		}
		if ctx.Err() != nil {
			return
		}
		m.set(nil, err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// runAgent runs the agent of a cluster until ctx ends, unless another context shows the same cluster.
func (m *member) runAgent(ctx context.Context, c *connected) {
	if shown, ok := m.contexts.show(c.uid, m.context); !ok {
		m.contexts.console.printf("%s: the same cluster as %s, which is shown once", m.name, m.contexts.names[shown])
		m.registry.remove(m.name)
		return
	}
	store := snapshot.New(rand.Uint64()) //nolint:gosec // an epoch has to be unique, not secret
	reader, err := usage.New(usage.Config{
		REST: c.rest, SetReading: store.SetUsage, Log: m.contexts.log,
		SetStatus: func(s state.SectionStatus) { store.SetSection(state.SectionUsage, s) },
	})
	if err != nil {
		m.set(nil, err)
		return
	}
	handler := report.New(report.Config{
		ClusterName: m.name, AgentVersion: m.contexts.version, Store: store,
		Identity:       func() (string, string, bool) { return c.uid, c.version, true },
		SubscribeUsage: reader.Subscribe, ReadNodes: reader.ReadNodes,
		MinRequestPeriod: time.Second, MaxSession: time.Hour, Log: m.contexts.log, Metrics: prometheus.NewRegistry(),
	})
	mux := http.NewServeMux()
	mux.Handle(wire.Path, handler)
	server := newAgentServer(mux, store.Ready(), handler.Shutdown, m.contexts.log)
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return store.Run(ctx) })
	all.Go(func() error { return reader.Run(ctx) })
	all.Go(func() error { return agent.NewInformer(c.rest, c.limits, store, m.contexts.log)(ctx) })
	all.Go(func() error { return server.serve(ctx) })
	all.Go(func() error { m.announce(ctx, c, store); return nil })
	m.set(server, nil)
	if err := all.Wait(); err != nil {
		m.set(nil, err)
	}
}

// announce prints when the cluster has been listed.
func (m *member) announce(ctx context.Context, c *connected, store *snapshot.Store) {
	select {
	case <-store.Ready():
	case <-ctx.Done():
		return
	}
	s := store.Current().State
	m.contexts.console.printf("%s: Kubernetes %s, %s, %s", m.name, c.version, plural(s.Len(state.KindNode), "node"), plural(s.Len(state.KindPod), "pod"))
	for _, limit := range c.limits {
		m.contexts.console.printf("%s: %s", m.name, limit.Message)
	}
}
