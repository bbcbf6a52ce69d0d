package session

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	randv2 "math/rand/v2"
	"net"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"rollcall.dev/rollcall/api/link"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/cache"
	"rollcall.dev/rollcall/master/session/admission"
	"rollcall.dev/rollcall/master/session/dial"
	"rollcall.dev/rollcall/master/session/linkpool"
	"rollcall.dev/rollcall/master/session/reportstore"
)

// Config has the settings and dependencies of Sessions.
type Config struct {
	Registry Registry
	// Store keeps reports for the next process. The default is cache.NewMemory.
	Store cache.Store
	// Peers are the other masters that share the Store, which must be a cache.Feed. If it is nil, this master is the only
	// one.
	Peers Peers
	// Signer signs the token of each dial, and each SubscribeRequest and Renew. If it is nil, nothing is
	// signed and dials have no token.
	Signer *token.Signer
	// Insecure allows endpoints with the scheme ws.
	Insecure bool
	// Holder is the ID of this process, which agents and readers see. The default is a random text.
	Holder string
	// Version is the version of this master, with which those of the agents are compared.
	Version string
	Log     *slog.Logger
	// Metrics registers the metrics, unless it is nil.
	Metrics prometheus.Registerer
	// Budget limits the memory of the States of all clusters. The default has no limit.
	Budget *budget.Pool
	// ClusterOfKey returns the name of a cluster that accepts an agent's key (link.Fingerprint), or that has its join
	// token. The error is ErrNotFound if there is none, or wraps ErrRegistryUnavailable. Only agents with such a key
	// learn why they were refused. If it is nil, no cluster accepts a key.
	ClusterOfKey func(key string) (name string, err error)
	// Enroll enrolls the key of an agent whose key the cluster does not accept, but which has a join token or a service
	// account token. For an agent whose key is accepted, it enrolls its next key, or removes its previous one. It returns
	// the cause if that fails. After it returns, the Registry has the result. If it is nil, no keys are enrolled.
	Enroll func(ctx context.Context, c link.Candidate) *link.Refused
	// OnLinkRefused is called for each agent that dialed this master and was refused; see linkpool.Config. It
	// may be nil.
	OnLinkRefused func(cluster string, refused *link.Refused)
	// EventHandlers are called for reports and ends of sessions.
	EventHandlers []EventHandler

	// DialContext opens the TCP connections to agents or to Proxy. The default is a net.Dialer, which dials
	// any address.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy is the proxy for all connections to agents. If it is nil, no proxy is used, not even one of the
	// environment.
	Proxy *url.URL
	// Random returns a number in [0, 1) for the jitter of back-off. The default is math/rand/v2.Float64.
	Random func() float64
}

// Sessions has the sessions with all agents of this master. Its methods may be called by any goroutine, also
// before Run.
type Sessions struct {
	config Config
	codec  *wire.Codec
	dialer *dial.Dialer
	// links has the idle links of agents that dial this master. It is nil without a Signer.
	links     *linkpool.Pool
	limits    *admission.Limits
	store     *reportstore.Store
	summaries *summaryScheduler
	updates   *dedupQueue
	// peerUpdates has the clusters whose PeerStatus is to be sent.
	peerUpdates *dedupQueue
	metrics     *metrics
	pauses      *pauseDetector

	// stopped is closed when the context of Run has ended.
	stopped chan struct{}
	group   sync.WaitGroup

	lifeMu   sync.Mutex
	ctx      context.Context // the context of Run, or nil before Run
	stopping bool

	mu       sync.RWMutex
	clusters map[string]*clusterState
}

// holderLength is the length of a random Holder. It is short because every token has it.
const holderLength = 16

// New returns Sessions that start no goroutine until Run is called.
func New(c Config) *Sessions {
	if c.Store == nil {
		c.Store = cache.NewMemory()
	}
	if c.Holder == "" {
		c.Holder = rand.Text()[:holderLength]
	}
	if c.DialContext == nil {
		c.DialContext = (&net.Dialer{}).DialContext
	}
	if c.Budget == nil {
		c.Budget = budget.New(0, 0)
	}
	if c.Random == nil {
		c.Random = randv2.Float64
	}
	codec, limits := wire.NewCodec(), admission.New()
	s := &Sessions{
		config: c, codec: codec, limits: limits,
		dialer:    &dial.Dialer{DialContext: c.DialContext, Proxy: c.Proxy, Signer: c.Signer, MasterID: c.Holder, Codec: codec, Memory: limits.Messages},
		store:     reportstore.New(c.Store, limits.StoreLoads, c.Log),
		summaries: newSummaryScheduler(limits.Summaries), updates: newDedupQueue(), peerUpdates: newDedupQueue(), metrics: newMetrics(),
		pauses:  &pauseDetector{log: c.Log},
		stopped: make(chan struct{}), clusters: map[string]*clusterState{},
	}
	if c.Signer != nil {
		s.links = linkpool.New(linkpool.Config{
			MasterID: c.Holder, Signer: c.Signer, Admit: s.admitLink, Authorize: s.authorizeLink, OnIdle: s.linkChanged, OnRefused: c.OnLinkRefused,
			Log: c.Log, Metrics: c.Metrics,
		})
		s.dialer.Links = s.links
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(s.metrics.all()...)
		c.Metrics.MustRegister(collector{s})
	}
	return s
}

// Run dials agents and processes their reports until the context ends. Then it stops all sessions and writes
// the last reports to the Store, and returns nil after some seconds at most. It must be called once.
func (s *Sessions) Run(ctx context.Context) error {
	s.lifeMu.Lock()
	s.ctx = ctx
	s.lifeMu.Unlock()
	for _, c := range s.allClusters() {
		c.startIfDirty()
	}
	s.group.Go(func() { s.summaries.run(ctx) })
	s.group.Go(func() { s.updates.run(ctx) })
	s.group.Go(func() { s.peerUpdates.run(ctx) })
	s.group.Go(func() { s.pauses.run(ctx) })
	if s.config.Peers != nil {
		s.runPeers(ctx)
	}
	<-ctx.Done()
	s.lifeMu.Lock()
	s.stopping = true
	s.lifeMu.Unlock()
	close(s.stopped)
	if s.links != nil {
		s.links.Close()
	}
	s.group.Wait()
	return nil
}

// start runs f in a goroutine that Run waits for. It returns false, and does not call f, before Run and after
// its context has ended.
func (s *Sessions) start(f func(ctx context.Context)) bool {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.ctx == nil || s.stopping {
		return false
	}
	s.group.Go(func() { f(s.ctx) })
	return true
}

// allClusters returns the states of all clusters at this moment, in no order.
func (s *Sessions) allClusters() []*clusterState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := make([]*clusterState, 0, len(s.clusters))
	for _, c := range s.clusters {
		all = append(all, c)
	}
	return all
}

func (s *Sessions) cluster(name string) *clusterState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.clusters[name]
}

// syncCluster returns the state of a cluster after it has read the cluster's entry from the Registry again.
// It creates the state of a new cluster, and removes that of a deleted one. The error is ErrNotFound if the
// Registry has no such cluster. If the Registry cannot be read, a known cluster keeps its entry: syncCluster returns
// its state together with the error.
func (s *Sessions) syncCluster(name string) (*clusterState, error) {
	c := s.cluster(name)
	if c == nil {
		spec, err := s.config.Registry.Cluster(name)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		if c = s.clusters[name]; c == nil {
			c = newClusterState(s, name)
			s.clusters[name] = c
		}
		s.mu.Unlock()
		c.initSpec(spec)
	}
	err := c.syncSpec()
	if !errors.Is(err, ErrNotFound) {
		return c, err
	}
	s.mu.Lock()
	if s.clusters[name] == c {
		delete(s.clusters, name)
	}
	s.mu.Unlock()
	return nil, err
}

// demandCluster returns the state of a cluster that is requested, with its present entry. A cluster that this
// master knows is served with its last entry while the Registry cannot be read.
func (s *Sessions) demandCluster(name string) (*clusterState, error) {
	c, err := s.syncCluster(name)
	if c != nil {
		return c, nil
	}
	return nil, err
}

// Sync reads the entry of a cluster from the Registry again. It must be called when the entry was created,
// changed or deleted. If the error wraps ErrRegistryUnavailable, nothing has changed, and Sync has to be called again.
func (s *Sessions) Sync(name string) error {
	if _, err := s.syncCluster(name); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if s.links != nil {
		s.links.Sync(name)
		s.linkChanged(name)
	}
	return nil
}

// LastReport returns the last report of a cluster, and false if there is none. It does not register demand.
// The report may have expired: see Report.Fresh.
func (s *Sessions) LastReport(name string) (*Report, bool) {
	c := s.cluster(name)
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report, c.report != nil
}

// Status returns the status of a cluster. For an unknown cluster it returns the status of a cluster that was
// never dialed.
func (s *Sessions) Status(name string) Status {
	c := s.cluster(name)
	if c == nil {
		return Status{Cluster: name, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Updates returns a channel of the names of clusters whose Status has changed. A name that is queued already
// is not queued again, so a slow receiver does not block sessions.
func (s *Sessions) Updates() <-chan string { return s.updates.out }
