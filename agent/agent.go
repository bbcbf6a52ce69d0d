// Package agent wires what runs in a member cluster: watches feed facts, facts feed
// the snapshot, and the snapshot is reported to the masters that dial. It decides
// nothing itself.
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/profiling"
	"rollcall.dev/rollcall/api/wire"
)

// drainTime is what saying good-bye may take; a process has ten seconds.
const drainTime = 8 * time.Second

// Run runs an agent until ctx is done, then tells every master and returns nil. An
// error is one that keeps it from working at all: a bad Config, an address that is
// taken. A cluster that cannot be reached is none: the agent waits for it.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	a, err := assemble(ctx, cfg)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// agent is everything that Run has built.
type agent struct {
	cfg      Config
	snapshot *snapshot.Store
	handler  *report.Handler
	// spent says that memory was taken for a moment only.
	spent chan struct{}
	// workers feed the snapshot.
	workers []func(context.Context) error
	// servers listen already, at addresses.
	servers   []*server
	addresses Addresses
}

// assemble builds an agent. Nothing runs yet, but its addresses are open.
func assemble(ctx context.Context, cfg Config) (*agent, error) {
	a := &agent{cfg: cfg, snapshot: snapshot.New(rand.Uint64()), spent: make(chan struct{}, 1)} //nolint:gosec // an epoch has to differ, not to be secret
	cluster, err := cfg.restConfig()
	if err != nil {
		return nil, err
	}
	identity, err := newIdentity(cluster, cfg.Log)
	if err != nil {
		return nil, err
	}
	verifier, err := cfg.verifier()
	if err != nil {
		return nil, err
	}
	usage, err := usageReader(cfg, cluster, a.snapshot)
	if err != nil {
		return nil, err
	}
	a.workers = []func(context.Context) error{a.snapshot.Run, identity.run, watches(cfg, cluster, a.snapshot), usage.Run, a.giveBack}
	if verifier != nil {
		keys := &masterKeys{files: cfg.MasterPublicKeyFiles, verifier: verifier, changed: func() { a.handler.KeysChanged() }, log: cfg.Log}
		a.workers = append(a.workers, keys.run)
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newSnapshotMetrics(a.snapshot.Current, a.snapshot.Pending))
	a.handler = report.New(report.Config{
		ClusterName: cfg.ClusterName, AgentVersion: cfg.Version, Identity: identity.get,
		Store: a.snapshot, Verifier: verifier, Unbound: cfg.ChannelBinding == BindingOff, SubscribeUsage: usage.Subscribe, ReadNodes: usage.ReadNodes,
		MinRequestPeriod: cfg.MinRequestPeriod, MaxSession: cfg.MaxSession, OnSnapshotSent: a.snapshotSent, OnEncode: cfg.Encoding,
		Log: cfg.Log, Metrics: registry,
	})
	health := &health{identity: identity.get, current: a.snapshot.Current}
	return a, a.listen(ctx, health, registry)
}

// listen opens all addresses, or none.
func (a *agent) listen(ctx context.Context, health *health, registry *prometheus.Registry) error {
	tlsConfig, err := a.cfg.serverTLS()
	if err != nil {
		return err
	}
	limits, err := a.cfg.limits()
	if err != nil {
		return err
	}
	probes := http.NewServeMux()
	health.register(probes)
	masters := http.NewServeMux()
	masters.Handle(wire.Path, a.handler)
	health.register(masters)
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	if a.cfg.Profiling {
		metrics.Handle("GET "+profiling.Path, onlyLoopbackHosts(profiling.Handler()))
	}
	limiter := connlimit.New(limits)
	registry.MustRegister(limiter.Collectors("rollcall_agent", "the address for masters")...)
	for _, l := range []struct {
		what, address string
		limiter       *connlimit.Limiter
		handler       http.Handler
		tls           *tls.Config
		opened        *net.Addr
	}{
		{"masters", a.cfg.Listen, limiter, masters, tlsConfig, &a.addresses.Masters},
		{"metrics", a.cfg.MetricsListen, connlimit.New(metricsLimits), metrics, nil, &a.addresses.Metrics},
		{"health", a.cfg.HealthListen, connlimit.New(healthLimits), probes, nil, &a.addresses.Health},
	} {
		if l.address == "" {
			continue
		}
		s, err := listen(ctx, l.address, l.limiter, l.handler, l.tls, a.cfg.Log)
		if err != nil {
			return errors.Join(fmt.Errorf("serve %s: %w", l.what, err), a.closeListeners())
		}
		*l.opened = s.listener.Addr()
		a.servers = append(a.servers, s)
	}
	return nil
}

// closeListeners closes what listens, and is not served yet.
func (a *agent) closeListeners() error {
	var errs []error
	for _, s := range a.servers {
		errs = append(errs, s.listener.Close())
	}
	return errors.Join(errs...)
}

// run lets everything work until ctx is done or a part of it fails. What feeds the
// snapshot outlives the sessions.
func (a *agent) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, working := errgroup.WithContext(background)
	for _, work := range a.workers {
		group.Go(func() error { return work(working) })
	}
	for _, s := range a.servers {
		group.Go(s.serve)
	}
	a.announce()
	select {
	case <-ctx.Done():
	case <-working.Done():
	}
	a.drain(background)
	stop()
	return group.Wait()
}

func (a *agent) announce() {
	if a.cfg.Auth == AuthNone {
		a.cfg.Log.Warn("INSECURE: --auth none: anyone who reaches the address can read the cluster", "address", a.cfg.Listen)
	}
	if a.cfg.Auth == AuthToken && a.cfg.ChannelBinding == BindingOff {
		a.cfg.Log.Warn("INSECURE: --channel-binding=off: a master's signature holds for any connection, so anyone on the network path can read and use it", "address", a.cfg.Listen)
	}
	if a.cfg.Listening != nil {
		a.cfg.Listening(a.addresses)
	}
}

// drain refuses new connections and tells every master that the agent shuts down.
func (a *agent) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return a.handler.Shutdown(ctx) })
	for _, s := range a.servers {
		group.Go(func() error { return s.close(ctx) })
	}
	if err := group.Wait(); err != nil {
		a.cfg.Log.Warn("not everybody could be told of the end", "error", err)
	}
}
