package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/agent/simulated"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/test/load"
)

// agent is one simulated agent with a port of its own.
type agent struct {
	*simulated.Agent
	name    string
	cluster *simulated.Cluster

	// The agent listens, or dials a hub.
	scheme   string
	listener net.Listener
	server   *http.Server
	dialer   *dial.Dialer
	// pin is the fingerprint of the agent's key, or "" without TLS.
	pin string
	// verifier has the signing keys of the hub that the agent dials.
	verifier *token.Verifier
}

// newAgent returns an agent that has all objects of its cluster. Its usage is read first after phase.
// masterKeys has the signing keys of the hub that it dials, or is empty.
func newAgent(name string, c *simulated.Cluster, u *load.Usage, period, phase time.Duration, masterKeys []ed25519.PublicKey) *agent {
	a := &agent{name: name, cluster: c}
	if len(masterKeys) > 0 {
		a.verifier = token.NewVerifier(name, masterKeys...)
	}
	a.Agent = simulated.NewAgent(simulated.AgentConfig{
		Name: name, Version: "fleet", Cluster: c, Usage: usageOf(name, u), UsagePeriod: period, UsagePhase: phase, Verifier: a.verifier,
	})
	return a
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

// endpoint returns the agent's ws or wss URL, or "" if it dials a hub.
func (a *agent) endpoint() string {
	if a.dialer != nil {
		return ""
	}
	return a.scheme + "://" + a.listener.Addr().String()
}

// serve serves sessions until ctx ends, or close is called.
func (a *agent) serve(ctx context.Context) error {
	if a.dialer != nil {
		return a.dialer.Run(ctx)
	}
	if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", a.name, err)
	}
	return nil
}

// close ends the sessions and stops serving.
func (a *agent) close(ctx context.Context) error {
	if a.dialer != nil {
		return a.Shutdown(ctx)
	}
	return errors.Join(a.Shutdown(ctx), a.server.Shutdown(ctx))
}
