// Package agent assembles and runs the agent of a member cluster. Watches of the API server
// (informer) update the facts, changed facts go to the snapshot.Store, and package report sends
// the contents of the Store to the masters that connect.
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
	"rollcall.dev/rollcall/agent/dial"
	"rollcall.dev/rollcall/agent/report"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/api/profiling"
	"rollcall.dev/rollcall/api/wire"
)

// drainTimeout limits the time to end all sessions at shutdown.
const drainTimeout = 8 * time.Second

// Run runs an agent until ctx is done. It then ends all sessions and returns nil. It returns an error
// if the agent cannot work at all, for example if the Config is invalid or an address is in use. An
// unreachable API server is not an error: the agent retries until it is reachable.
func Run(ctx context.Context, cfg Config) error {
	cfg.useJoinedName()
	if err := cfg.Validate(); err != nil {
		return err
	}
	a, err := newAgent(ctx, cfg)
	if err != nil {
		return err
	}
	return a.run(ctx)
}

// agent holds the parts of an agent.
type agent struct {
	cfg     Config
	store   *snapshot.Store
	handler *report.Handler
	// freeMemory has a value if runMemoryReleaser should return memory to the operating system.
	freeMemory chan struct{}
	// links dials the masters, or is nil.
	links *dial.Dialer
	// workers keep the store up to date. Each returns when its context is done.
	workers []func(context.Context) error
	// servers are listening at addresses.
	servers   []*server
	addresses Addresses
}

// newAgent returns an agent whose addresses are open. Nothing else runs yet.
func newAgent(ctx context.Context, cfg Config) (*agent, error) {
	a := &agent{cfg: cfg, store: snapshot.New(rand.Uint64()), freeMemory: make(chan struct{}, 1)} //nolint:gosec // an epoch has to be unique, not secret
	cluster, err := cfg.restConfig()
	if err != nil {
		return nil, err
	}
	identity, err := newIdentity(cluster, cfg.Log)
	if err != nil {
		return nil, err
	}
	certificate, err := newOwnCertificate(&cfg, cluster)
	if err != nil {
		return nil, err
	}
	verifier, err := cfg.verifier()
	if err != nil {
		return nil, err
	}
	usage, err := newUsageSource(cfg, cluster, a.store)
	if err != nil {
		return nil, err
	}
	a.workers = []func(context.Context) error{a.store.Run, identity.run, NewInformer(cluster, nil, a.store, cfg.Log), usage.Run, a.runMemoryReleaser}
	health := &health{identity: identity.get, current: a.store.Current}
	if verifier != nil {
		keys := &masterKeys{files: cfg.MasterPublicKeyFiles, read: cfg.masterKeys, verifier: verifier, onChange: func() { a.handler.KeysChanged() }, log: cfg.Log}
		a.workers = append(a.workers, keys.run)
		health.keys = keys.ready
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newSnapshotMetrics(a.store.Current, a.store.Pending))
	a.handler = report.New(report.Config{
		ClusterName: cfg.ClusterName, AgentVersion: cfg.Version, Identity: identity.get,
		Store: a.store, Verifier: verifier, Unbound: cfg.ChannelBinding == BindingOff, SubscribeUsage: usage.Subscribe, ReadNodes: usage.ReadNodes,
		MinRequestPeriod: cfg.MinRequestPeriod, MaxSession: cfg.MaxSession, OnSnapshotSent: a.requestMemoryRelease, OnEncode: cfg.OnEncode,
		Log: cfg.Log, Metrics: registry,
	})
	if a.links, err = cfg.newLinks(identity, certificate, verifier, a.handler, registry); err != nil {
		return nil, err
	}
	if certificate != nil {
		a.workers = append(a.workers, certificate.run)
		health.certificate = certificate.ready
	}
	return a, a.listen(ctx, health, certificate, registry)
}

// listen opens all addresses. If one of them fails, it closes the others and returns an error.
func (a *agent) listen(ctx context.Context, health *health, certificate *ownCertificate, registry *prometheus.Registry) error {
	tlsConfig, err := a.cfg.serverTLS(certificate)
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
		name, address string
		limiter       *connlimit.Limiter
		handler       http.Handler
		tls           *tls.Config
		actual        *net.Addr
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
			return errors.Join(fmt.Errorf("serve %s: %w", l.name, err), a.closeListeners())
		}
		*l.actual = s.listener.Addr()
		a.servers = append(a.servers, s)
	}
	return nil
}

// closeListeners closes the listeners of servers that are not running.
func (a *agent) closeListeners() error {
	var errs []error
	for _, s := range a.servers {
		errs = append(errs, s.listener.Close())
	}
	return errors.Join(errs...)
}

// run runs the workers and servers until ctx is done or one of them fails. It ends the sessions before it
// stops the workers, so that the last reports are up to date.
func (a *agent) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, groupCtx := errgroup.WithContext(background)
	for _, work := range a.workers {
		group.Go(func() error { return work(groupCtx) })
	}
	for _, s := range a.servers {
		group.Go(s.serve)
	}
	if a.links != nil {
		group.Go(func() error { return a.links.Run(ctx) })
	}
	a.announceListening()
	select {
	case <-ctx.Done():
	case <-groupCtx.Done():
	}
	a.drain(background)
	stop()
	return group.Wait()
}

// announceListening logs the address and insecure settings, and calls Config.OnListening.
func (a *agent) announceListening() {
	if a.cfg.Auth == AuthNone {
		a.cfg.Log.Warn("INSECURE: --auth none: any client that can connect to the address can read the cluster", "address", a.cfg.Listen)
	}
	if a.cfg.Auth == AuthToken && a.cfg.ChannelBinding == BindingOff {
		a.cfg.Log.Warn("INSECURE: --channel-binding=off: a master's signature is valid on any connection, so anyone on the network path can read the reports and use the session", "address", a.cfg.Listen)
	}
	a.cfg.Log.Info("serving", "version", a.cfg.Version, "cluster", a.cfg.ClusterName, "address", a.addresses.Masters, "auth", a.cfg.Auth)
	if a.cfg.OnListening != nil {
		a.cfg.OnListening(a.addresses)
	}
}

// drain refuses new connections and ends the session of every master.
func (a *agent) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return a.handler.Shutdown(ctx) })
	for _, s := range a.servers {
		group.Go(func() error { return s.close(ctx) })
	}
	if err := group.Wait(); err != nil {
		a.cfg.Log.Warn("shutdown took too long; some connections were closed without notifying the master", "error", err)
	}
}
