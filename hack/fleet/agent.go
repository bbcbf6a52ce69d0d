package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall.dev/rollcall/agent/simulated"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/load"
)

// agent is one simulated agent with a port of its own.
type agent struct {
	*simulated.Agent
	name    string
	cluster *simulated.Cluster

	scheme   string
	listener net.Listener
	server   *http.Server
}

// newAgent returns an agent that has all objects of its cluster. Its usage is read first after phase.
func newAgent(name string, c *simulated.Cluster, u *load.Usage, period, phase time.Duration) *agent {
	return &agent{name: name, cluster: c, Agent: simulated.NewAgent(simulated.AgentConfig{
		Name: name, Version: "fleet", Cluster: c, Usage: usageOf(name, u), UsagePeriod: period, UsagePhase: phase,
	})}
}

// usageOf returns the usage of a cluster's containers under a load.
func usageOf(cluster string, u *load.Usage) simulated.Usage {
	return func(c *state.Container, n int) state.Used {
		id := cluster + "/" + c.Namespace + "/" + c.Pod + "/" + c.Name
		used := u.At(id, u.Base(id), n)
		return state.Used{CPUMillis: used.CPUMillis, MemoryBytes: used.MemoryBytes}
	}
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
	a.server = &http.Server{Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
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
	return errors.Join(a.Shutdown(ctx), a.server.Shutdown(ctx))
}
