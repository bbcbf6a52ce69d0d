// Package local runs agents, a master and the page in one process, on a loopback address: for the clusters of the
// user's own kubeconfig with the user's own rights, or for simulated clusters. Nothing is installed or written.
//
// The agents and the master are the ones that an installation has, with the same sessions, over in-memory connections.
// The registry and the cache are in memory too. This is the only package that imports both agent and master.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// Limits of memory, in bytes, and the length of the history.
const (
	maxStates     = 1 << 30
	maxState      = 256 << 20
	maxDocuments  = 64 << 20
	maxHistory    = 128 << 20
	historyWindow = 15 * time.Minute
	sweepPeriod   = time.Minute
)

// maxSimulated is the largest number of simulated clusters.
const maxSimulated = 500

// Config configures Run.
type Config struct {
	// Kubeconfig is the path of the kubeconfig. If it is empty, $KUBECONFIG is used, then ~/.kube/config.
	Kubeconfig string
	// Contexts are the contexts of the clusters to show, by default the current one. AllContexts shows all.
	Contexts    []string
	AllContexts bool
	// Namespaces are read of a cluster in which the user may not read all namespaces. By default, they are those of
	// the kubeconfig's contexts for the same cluster and user.
	Namespaces []string

	// Simulate is the number of simulated clusters that are shown instead. Seed determines them.
	Simulate int
	Seed     uint64

	// Address is a loopback address, Port a port, or 0 for any that is free.
	Address string
	Port    int
	// Open opens the page in a browser. If it is nil, the page is not opened.
	Open func(url string) error

	Version string
	// Out receives what the user needs to know, Log the messages of agents and master.
	Out io.Writer
	Log *slog.Logger
}

// validate returns an error that names all invalid flags.
func (c *Config) validate() error {
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(isLoopback(c.Address), "--address %q is not a loopback address, such as 127.0.0.1 or ::1: other machines must not reach what is served with your rights; to use the page from another machine, forward the port with `ssh -L`", c.Address)
	check(c.Port >= 0 && c.Port <= 65535, "--port %d is not a port from 1 to 65535, or 0 for any free port", c.Port)
	check(c.Simulate >= 0 && c.Simulate <= maxSimulated, "--simulate %d must be from 1 to %d", c.Simulate, maxSimulated)
	check(c.Simulate == 0 || len(c.Contexts) == 0 && !c.AllContexts && len(c.Namespaces) == 0, "--simulate shows simulated clusters only: remove --contexts, --all-contexts and --namespaces")
	check(len(c.Contexts) == 0 || !c.AllContexts, "--contexts and --all-contexts cannot both be set")
	return errors.Join(errs...)
}

// isLoopback reports whether an address is reachable from this machine only.
func isLoopback(address string) bool {
	ip, err := netip.ParseAddr(address)
	return address == "localhost" || err == nil && ip.IsLoopback()
}

// source adds clusters to a registry and runs their agents.
type source interface {
	// title says what the page shows, in one line.
	title() string
	// run runs the agents until ctx ends.
	run(ctx context.Context, clusters *registry) error
}

// Run serves the page until ctx ends. It returns an error if it cannot serve; a cluster that cannot be reached is none.
func Run(ctx context.Context, c Config) error {
	if err := c.validate(); err != nil {
		return err
	}
	console := newConsole(c.Out)
	from, err := c.source(console)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(c.Address, strconv.Itoa(c.Port)))
	if err != nil {
		return fmt.Errorf("serve the page: %w; set another --port, or none for any free port", err)
	}
	login := newLogin(listener.Addr(), console)
	m := c.assemble(login)
	console.printUsage(from.title(), login)
	return m.run(ctx, listener, from, func() { c.open(login, console) })
}

// source returns the source of the clusters.
func (c *Config) source(console *console) (source, error) {
	if c.Simulate > 0 {
		return &simulation{clusters: c.Simulate, seed: c.Seed, version: c.Version}, nil
	}
	return newContexts(c, console)
}

// open opens the page in a browser, if that is wanted.
func (c *Config) open(login *login, console *console) {
	if c.Open == nil {
		return
	}
	if err := c.Open(login.link()); err != nil {
		console.printf("The browser could not be opened: %v. Open the address of the page yourself.", err)
	}
}

// master is the part of a process that an installation runs on the hub.
type master struct {
	registry  *registry
	sessions  *session.Sessions
	history   *history.History
	documents *view.DocumentCache
	api       *httpapi.API
}

// assemble creates the master. It does not start anything.
func (c *Config) assemble(login *login) *master {
	metrics := prometheus.NewRegistry()
	m := &master{registry: newRegistry(), history: history.New(history.Config{Window: historyWindow, MaxBytes: maxHistory, Log: c.Log}), documents: view.NewDocumentCache(maxDocuments)}
	revisionTimes := samples.NewRevisionTimes(historyWindow)
	m.sessions = session.New(session.Config{
		Registry: m.registry, Insecure: true, DialContext: m.registry.dial, Budget: budget.New(maxStates, maxState),
		EventHandlers: []session.EventHandler{revisionTimes.EventHandler(), {
			OnReport:         func(v *session.Report, _ bool) { m.history.Add(v.Cluster, v.LazyState, v.Summary, v.ReceivedAt) },
			OnSessionEnd:     m.history.EndSession,
			OnClusterRemoved: m.history.RemoveCluster,
		}},
		Log: c.Log, Metrics: metrics,
	})
	m.registry.changed = func(name string) { _ = m.sessions.Sync(name) } // this registry can always be read
	m.api = httpapi.New(httpapi.Config{
		Sessions:  m.sessions,
		Registry:  m.registry,
		Documents: m.documents,
		Page:      login.page(),
		Version:   c.Version,
		Local:     true,
		History:   func(cluster string) *history.ClusterHistory { return m.history.Read(cluster, time.Now()) },
		Prometheus: prom.New(prom.Config{
			Sessions: m.sessions, Registry: m.registry, History: m.history, RevisionTimes: revisionTimes,
			Version: c.Version, Metrics: metrics, Log: c.Log,
		}),
		Authenticate: login.authenticate,
		SignIn:       login.signIn(),
		Hosts:        &httpapi.Hosts{Hint: "use the address that `kubectl rollcall local` has printed, with localhost or a loopback address"},
		// Everybody on this machine has the same address.
		Limits:   connlimit.Config{MaxPerAddress: -1},
		Gatherer: metrics, Metrics: metrics, Log: c.Log,
	})
	return m
}

// run serves the page and runs the agents until ctx ends, or one of them fails. serving is called when the page can be
// requested.
func (m *master) run(ctx context.Context, listener net.Listener, from source, serving func()) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return m.api.Serve(ctx, listener, nil) })
	all.Go(func() error { return m.sessions.Run(ctx) })
	all.Go(func() error { m.documents.Run(ctx); return nil })
	all.Go(func() error { m.sweep(ctx); return nil })
	all.Go(func() error { return from.run(ctx, m.registry) })
	serving()
	return all.Wait()
}

// sweep removes old samples from the history until ctx ends.
func (m *master) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepPeriod)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			m.history.Sweep(now)
		case <-ctx.Done():
			return
		}
	}
}
