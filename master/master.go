// Package master puts a master together: clients of the hub, sessions with agents,
// the cache, the reconcilers, and HTTP. It wires, and decides nothing.
package master

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	kubernetes "sigs.k8s.io/controller-runtime/pkg/metrics"

	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/controllers"
	"rollcall.dev/rollcall/master/access"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/cache/rediscache"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/servingcert"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/sink"
	"rollcall.dev/rollcall/master/view"
	"rollcall.dev/rollcall/web"
)

const (
	// maxDocuments is how many bytes of answers are kept for those who read the same.
	maxDocuments = 256 << 20
	// probeTimeout is how long the start waits to tell whether Redis is there.
	probeTimeout = time.Second
)

// Run is a master, until ctx ends or it cannot go on. When ctx ends it stops
// accepting, tells every client that waits and every agent, and returns nil within
// 10 s. A replica that does not lead answers nothing but /healthz, /readyz and
// /metrics; one that loses the lead ends with an error, and is to be started again.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c.warn()
	metrics := prometheus.NewRegistry()
	keys, err := c.signingKeys()
	if err != nil {
		return err
	}
	states := budget.New(c.StateMaxMemory, c.ClusterMaxMemory)
	metrics.MustRegister(states)
	store, release, err := c.openStore(ctx, keys, states, metrics)
	if err != nil {
		return err
	}
	m, err := c.assemble(ctx, store, keys, states, metrics)
	if err == nil {
		err = m.run(ctx, c)
	}
	return errors.Join(err, release())
}

// openStore is the cache, and how to let go of it. Redis that is away keeps nothing
// from starting.
func (c *Config) openStore(ctx context.Context, keys signingKeys, states *budget.Pool, metrics prometheus.Registerer) (cache.Store, func() error, error) {
	if c.Cache == CacheMemory {
		return cache.NewMemory(), func() error { return nil }, nil
	}
	store, err := rediscache.New(rediscache.Config{
		URL: c.Cache, SigningKey: keys.own, OtherKeys: keys.rotation, Log: c.Log, Metrics: metrics,
		Budget: func(cluster string) wire.Budget { return states.Account(cluster) },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("open --cache: %w", err)
	}
	if keys.own != nil {
		c.Log.Info("what is written to redis is signed", "key", keys.id())
	}
	probe, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	// The cache has logged it if Redis is away.
	_ = store.Probe(probe)
	return store, store.Close, nil
}

// parts are what runs.
type parts struct {
	hub       manager.Manager
	sessions  *session.Sessions
	documents *view.DocumentCache
	api       *httpapi.API
	// history is nil with Config.History 0.
	history *history.History
	// sinks are nil where there are none.
	sinks *sink.Sinks
	// guard is nil with AuthNone.
	guard *access.Authenticator
	// certificate is nil where the serving certificate is not signed by the masters' CA.
	certificate *servingcert.Source
}

func (c *Config) assemble(ctx context.Context, store cache.Store, keys signingKeys, states *budget.Pool, metrics *prometheus.Registry) (*parts, error) {
	rest, err := c.restConfig()
	if err != nil {
		return nil, err
	}
	hub, lease, err := c.newManager(ctx, rest)
	if err != nil {
		return nil, err
	}
	registry, err := controllers.NewRegistry(ctx, hub)
	if err != nil {
		return nil, err
	}
	past, trail := c.newHistory(metrics), prom.NewRevisionTimes(max(c.History, leastTrail))
	sinks, err := c.newSinks(metrics)
	if err != nil {
		return nil, err
	}
	bounds, err := c.networkBounds(rest)
	if err != nil {
		return nil, err
	}
	sessions := session.New(session.Config{
		Registry: registry, Store: store, Budget: states, Signer: keys.signer(), Insecure: c.Insecure, DialContext: bounds.dial, Proxy: bounds.proxy, Followers: append(followers(past, trail), export(sinks)...), Log: c.Log, Metrics: metrics,
	})
	reconciled := controllers.Sessions{Sync: sessions.Sync, Observe: sessions.Observe, Events: sessions.Events()}
	if err := controllers.Add(hub, registry, reconciled, controllers.Options{Insecure: c.Insecure, Metrics: metrics}); err != nil {
		return nil, err
	}
	if err := hub.Add(manager.RunnableFunc(sessions.Run)); err != nil {
		return nil, fmt.Errorf("add sessions: %w", err)
	}
	guard, certificate, err := c.newTrust(rest, bounds.limits.TrustedProxies, metrics)
	if err != nil {
		return nil, err
	}
	documents := view.NewDocumentCache(maxDocuments)
	api := httpapi.New(httpapi.Config{
		Sessions:  httpapi.Sessions{Await: sessions.Await, Peek: sessions.Peek, Observe: sessions.Observe, Watch: sessions.Watch, Look: sessions.Look},
		Registry:  registryOf(registry),
		Documents: documents,
		Page:      web.Handler(),
		Past:      reader(past),
		Prometheus: prom.New(prom.Config{
			Clusters: namesOf(registry), Lookup: sessions.Look, Demand: sessions.Want, History: past, RevisionTimes: trail,
			MaxSamples: c.QueryMaxSamples, Version: c.Version, Metrics: metrics, Log: c.Log,
		}),
		Identify: identify(guard),
		SignIn:   signIn(guard),
		Ready:    checks(registry, certificate, leads(hub, lease)),
		Hosts:    c.hosts(), Limits: bounds.limits, Profiling: c.Profiling,
		Gatherer: prometheus.Gatherers{metrics, kubernetes.Registry},
		Metrics:  metrics,
		Log:      c.Log,
	})
	return &parts{hub: hub, sessions: sessions, documents: documents, api: api, history: past, sinks: sinks, guard: guard, certificate: certificate}, nil
}

// run runs all parts. The first that cannot go on ends the others.
func (m *parts) run(ctx context.Context, c Config) error {
	tls, err := c.serverTLS(m.certificate)
	if err != nil {
		return err
	}
	clients, health, err := c.listen(ctx)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return m.api.Serve(ctx, clients, tls) })
	if health != nil {
		all.Go(func() error { return m.api.ServeHealth(ctx, health) })
	}
	all.Go(func() error { return m.hub.Start(ctx) })
	all.Go(func() error { m.documents.Run(ctx); return nil })
	if m.history != nil {
		all.Go(func() error { sweep(ctx, m.history); return nil })
	}
	if m.sinks != nil {
		all.Go(func() error { return m.sinks.Run(ctx) })
	}
	if m.guard != nil {
		all.Go(func() error { return m.guard.Run(ctx) })
	}
	if m.certificate != nil {
		all.Go(func() error { return m.certificate.Run(ctx) })
	}
	return all.Wait()
}

// checks returns what has to be well for a master to be ready.
func checks(registry *controllers.Registry, certificate *servingcert.Source, leads func() error) []httpapi.Check {
	all := []httpapi.Check{{Name: "registry", Ready: registry.Ready}}
	if certificate != nil {
		all = append(all, httpapi.Check{Name: "certificate", Ready: certificate.Ready})
	}
	return append(all, httpapi.Check{Name: "leader", Ready: leads})
}

// registryOf is the registry as the API knows it.
func registryOf(r *controllers.Registry) httpapi.Registry {
	return httpapi.Registry{
		Resolve: r.Resolve,
		List: func() []httpapi.Registered {
			var list []httpapi.Registered
			for _, c := range r.List() {
				list = append(list, httpapi.Registered(c))
			}
			return list
		},
		LastKnown: func(cluster string) (httpapi.LastKnown, bool) {
			last, ok := r.LastKnown(cluster)
			return httpapi.LastKnown{Known: session.Known{Summary: &last.Summary, ObservedAt: last.ObservedAt}, KubernetesVersion: last.KubernetesVersion}, ok
		},
	}
}
