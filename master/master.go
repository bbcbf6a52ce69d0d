// Package master assembles a master from the hub's clients, sessions with agents, the cache, the
// reconcilers and the HTTP API.
package master

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/controllers"
	"rollcall.dev/rollcall/master/access"
	"rollcall.dev/rollcall/master/audit"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/rediscache"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/servingcert"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/sink"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/web"
)

const (
	// maxDocuments limits the cache of encoded responses, in bytes.
	maxDocuments = 256 << 20
	// probeTimeout limits the check of Redis at the start.
	probeTimeout = time.Second
)

// Run runs a master until ctx ends or an error occurs. When ctx ends, it stops accepting requests,
// notifies waiting clients and agents, and returns nil within 10 s. If it shares clusters with other masters by Redis, it
// first hands them over, for up to 3 s. Without Redis, a replica that does not lead
// serves only /healthz, /readyz and /metrics. Run returns an error if another master leads instead; the
// process should then be restarted.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.warn()
	metrics := prometheus.NewRegistry()
	hub, err := c.restConfig()
	if err != nil {
		return err
	}
	keys, err := c.signingKeys(ctx, hub)
	if err != nil {
		return err
	}
	pool := budget.New(c.StateMaxMemory, c.ClusterMaxMemory)
	metrics.MustRegister(pool)
	auditLog, err := c.openAuditLog(metrics)
	if err != nil {
		return err
	}
	incarnation := rand.Text()
	store, release, err := c.openStore(ctx, keys, incarnation, pool, metrics)
	if err != nil {
		return err
	}
	others, err := c.newPeers(hub, store, incarnation, metrics)
	var m *components
	if err == nil {
		m, err = c.assemble(ctx, hub, store, others, keys, pool, auditLog, metrics)
	}
	if err == nil {
		err = whileAuditing(ctx, auditLog, func() error { return m.run(ctx, c, metrics) })
	}
	return errors.Join(err, release())
}

// openStore returns the cache and a function that closes it. An unavailable Redis is not an error.
func (c *Config) openStore(ctx context.Context, keys signingKeys, incarnation string, pool *budget.Pool, metrics prometheus.Registerer) (cache.Store, func() error, error) {
	if c.Cache == CacheMemory {
		return cache.NewMemory(), func() error { return nil }, nil
	}
	store, err := rediscache.New(rediscache.Config{
		URL: c.Cache, SigningKey: keys.own, OtherKeys: keys.rotation, Holder: incarnation, Log: c.Log, Metrics: metrics,
		Budget: func(cluster string) wire.Budget { return pool.Account(cluster) },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open --cache: %w", err)
	}
	if keys.own != nil {
		c.Log.Info("entries in redis are signed", "key", keys.id())
	}
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	// The store logs the error.
	_ = store.Probe(probe)
	return store, store.Close, nil
}

// components are the components of a master.
type components struct {
	hub       manager.Manager
	sessions  *session.Sessions
	documents *view.DocumentCache
	api       *httpapi.API
	// history is nil if Config.History is 0.
	history *history.History
	// sinks is nil if there are none.
	sinks *sink.Sinks
	// authenticator is nil with AuthNone.
	authenticator *access.Authenticator
	// certificate is nil if the serving certificate is not signed by the shared CA.
	certificate *servingcert.Source
	// peers is nil if this master shares no clusters with others.
	peers *peers
	// signingKey is nil if the signing key is not in a Secret.
	signingKey *storedSigningKey
}

// assemble creates the components of a master. It does not start them.
func (c *Config) assemble(ctx context.Context, hubConfig *rest.Config, store cache.Store, others *peers, keys signingKeys, pool *budget.Pool, auditLog *audit.Log, metrics *prometheus.Registry) (*components, error) {
	hub, lease, err := c.newManager(ctx, hubConfig)
	if err != nil {
		return nil, err
	}
	registry, err := controllers.NewRegistry(ctx, hub)
	if err != nil {
		return nil, err
	}
	usageHistory, revisionTimes := c.newHistory(metrics), samples.NewRevisionTimes(max(c.History, minRevisionTimes))
	sinks, err := c.newSinks(metrics)
	if err != nil {
		return nil, err
	}
	network, err := c.networkConfig(hubConfig)
	if err != nil {
		return nil, err
	}
	linkEvents := make(linkEvents, maxLinkEvents)
	enroller, err := c.newEnroller(hub, registry, keys, network, linkEvents)
	if err != nil {
		return nil, err
	}
	sessions := session.New(session.Config{
		Peers: others.asPeers(), Holder: others.id(),
		Registry: registry, ClusterOfKey: registry.ClusterOfKey, Enroll: enroller.Enroll, OnLinkRefused: linkEvents.refused, Store: store, Budget: pool, Signer: keys.signer(), Insecure: c.Insecure, Version: c.Version,
		DialContext: network.dial, Proxy: network.proxy, EventHandlers: append(historyHandlers(usageHistory, revisionTimes), sinkHandlers(sinks)...), Log: c.Log, Metrics: metrics,
	})
	options, leader := controllers.Options{Insecure: c.Insecure, MayWrite: lease.mayWrite, Metrics: metrics, LinkEvents: linkEvents}, leaderCheck(hub, lease)
	if others != nil {
		options.MayWrite, options.Masters, leader = others.Owns, others.masters, others.ready(hub)
		others.sessions = sessions
	}
	if err := addSessions(hub, registry, sessions, options); err != nil {
		return nil, err
	}
	authenticator, certificate, err := c.newAuthenticatorAndCertificate(hubConfig, network.limits.TrustedProxies, metrics)
	if err != nil {
		return nil, err
	}
	documents := view.NewDocumentCache(maxDocuments)
	api := httpapi.New(httpapi.Config{
		Sessions:     sessions,
		Registry:     registry,
		Documents:    documents,
		Page:         web.Handler(),
		Links:        sessions.Links(),
		History:      historyReader(usageHistory),
		Prometheus:   c.newProm(sessions, registry, usageHistory, revisionTimes, metrics),
		Authenticate: identify(authenticator),
		SignIn:       signIn(authenticator),
		Version:      c.Version,
		Ready:        checks(registry, certificate, leader),
		Hosts:        c.hosts(), Limits: network.limits, Profiling: c.Profiling, Audit: auditWriter(auditLog),
		Gatherer: prometheus.Gatherers{metrics, ctrlmetrics.Registry},
		Metrics:  metrics,
		Log:      c.Log,
	})
	return &components{hub: hub, sessions: sessions, documents: documents, api: api, history: usageHistory, sinks: sinks, authenticator: authenticator, certificate: certificate, peers: others, signingKey: keys.stored}, nil
}

// addSessions adds the reconcilers and the sessions to the manager, which starts them.
func addSessions(hub manager.Manager, registry *controllers.Registry, sessions *session.Sessions, options controllers.Options) error {
	if err := controllers.Add(hub, registry, sessions, options); err != nil {
		return err
	}
	if err := hub.Add(manager.RunnableFunc(sessions.Run)); err != nil {
		return fmt.Errorf("add sessions: %w", err)
	}
	return nil
}

// newProm returns the handlers of Prometheus' HTTP API.
func (c *Config) newProm(sessions *session.Sessions, registry *controllers.Registry, usage *history.History, times *samples.RevisionTimes, metrics prometheus.Registerer) *prom.API {
	return prom.New(prom.Config{
		Sessions: sessions, Registry: registry, History: usage, RevisionTimes: times,
		MaxSamples: c.QueryMaxSamples, Version: c.Version, Metrics: metrics, Log: c.Log,
	})
}

// run runs all components. If one fails, the others are stopped.
func (m *components) run(ctx context.Context, c Config, metrics prometheus.Registerer) error {
	tls, err := c.serverTLS(m.certificate)
	if err != nil {
		return err
	}
	if tls != nil {
		metrics.MustRegister(expiryCollector{tls})
	}
	clients, health, err := c.listen(ctx)
	if err != nil {
		return err
	}
	ctx, stop := m.untilHandedOver(ctx, c.Log)
	defer stop()
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return m.api.Serve(ctx, clients, tls) })
	if health != nil {
		all.Go(func() error { return m.api.ServeHealth(ctx, health) })
	}
	all.Go(func() error { return m.hub.Start(ctx) })
	if m.peers != nil {
		all.Go(func() error { return m.peers.run(ctx) })
	}
	all.Go(func() error { m.logLeadership(ctx, c.Log); return nil })
	all.Go(func() error { m.documents.Run(ctx); return nil })
	if m.history != nil {
		all.Go(func() error { sweep(ctx, m.history); return nil })
	}
	if m.sinks != nil {
		all.Go(func() error { return m.sinks.Run(ctx) })
	}
	if m.authenticator != nil {
		all.Go(func() error { return m.authenticator.Run(ctx) })
	}
	if m.certificate != nil {
		all.Go(func() error { return m.certificate.Run(ctx) })
	}
	if m.signingKey != nil {
		all.Go(func() error { return m.signingKey.run(ctx) })
	}
	return all.Wait()
}

// logLeadership logs when this master begins to lead, which is at once without leader election.
func (m *components) logLeadership(ctx context.Context, log *slog.Logger) {
	select {
	case <-m.hub.Elected():
		if m.peers != nil {
			log.Info("this master serves clients, and shares the clusters with all masters that have the same Redis")
			return
		}
		log.Info("this master leads: it dials agents and serves clients")
	case <-ctx.Done():
	}
}

// checks returns the readiness checks.
func checks(registry *controllers.Registry, certificate *servingcert.Source, leader func() error) []httpapi.Check {
	all := []httpapi.Check{{Name: "registry", Ready: registry.Ready}}
	if certificate != nil {
		all = append(all, httpapi.Check{Name: "certificate", Ready: certificate.Ready})
	}
	return append(all, httpapi.Check{Name: "leader", Ready: leader})
}
