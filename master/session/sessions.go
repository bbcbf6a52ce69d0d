package session

import (
	"context"
	"crypto/rand"
	"log/slog"
	randv2 "math/rand/v2"
	"net"
	"net/url"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/master/budget"
	"rollcall.dev/rollcall/master/cache"
)

// Config is what Sessions need.
type Config struct {
	Registry Registry
	// Store keeps values for the next process; nil: cache.Memory.
	Store cache.Store
	// Signer makes the token of each dial, and signs Reports and Renews; nil: dials carry
	// no token, and nothing is signed.
	Signer *token.Signer
	// Insecure allows plain ws.
	Insecure bool
	// Holder names this process to agents; empty: drawn at random, as it should be.
	Holder string
	Log    *slog.Logger
	// Metrics takes the metrics; nil: none.
	Metrics prometheus.Registerer
	// Budget bounds the memory that clusters' states take; nil: nothing does.
	Budget *budget.Pool
	// Followers are told of all that sessions bring.
	EventHandlers []EventHandler

	// DialContext opens connections below TLS, to agents or to Proxy; nil: of the network,
	// to any address.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// Proxy is what agents are dialed through; nil: none, whatever the environment says.
	Proxy *url.URL
	// Random gives numbers in [0, 1) for jitter; nil: at random.
	Random func() float64
}

// Sessions are all sessions of this master. See Run.
type Sessions struct {
	config         Config
	log            *slog.Logger
	store          cache.Store
	terms          cache.TermCounter
	dialer         *dialer
	handshakeSlots *prioritySemaphore // of sessions that begin
	cpuSlots       *prioritySemaphore // of what takes a processor for milliseconds
	storeSlots     *prioritySemaphore // of looks into the Store
	startupLimiter *rate.Limiter
	summaries      *summaryScheduler
	updates        *dedupQueue
	metrics        *metrics
	pauses         *pauseDetector
	budget         *budget.Pool
	inflight       *inflightMemory

	// stopped is closed when Run is told to end.
	stopped chan struct{}
	group   sync.WaitGroup

	lifeMu   sync.Mutex
	ctx      context.Context // nil: Run was not called yet
	stopping bool

	mu       sync.RWMutex
	clusters map[string]*clusterState
}

// holderLength is how much of a random text tells masters from each other: it is in
// every token.
const holderLength = 16

// New are Sessions that nothing happens in before Run.
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
	inflight := newInflightMemory()
	s := &Sessions{
		config: c, log: c.Log, store: c.Store, budget: c.Budget, inflight: inflight,
		dialer:         &dialer{dialContext: c.DialContext, proxy: c.Proxy, signer: c.Signer, masterID: c.Holder, codec: wire.NewCodec(), inflight: inflight},
		handshakeSlots: newPrioritySemaphore(maxHandshakes),
		cpuSlots:       newPrioritySemaphore(maxCPUSlots()),
		storeSlots:     newPrioritySemaphore(maxCPUSlots()),
		startupLimiter: rate.NewLimiter(rate.Limit(startupRate*maxCPUSlots()), maxHandshakes),
		summaries:      newSummaryScheduler(), updates: newDedupQueue(), metrics: newMetrics(),
		pauses:  &pauseDetector{log: c.Log},
		stopped: make(chan struct{}), clusters: map[string]*clusterState{},
	}
	if c.Metrics != nil {
		c.Metrics.MustRegister(s.metrics.all()...)
		c.Metrics.MustRegister(collector{s})
	}
	return s
}

// Run does all the work until the context ends. Then it tells every agent, and
// returns when all is closed and saved, within some seconds.
func (s *Sessions) Run(ctx context.Context) error {
	s.lifeMu.Lock()
	s.ctx = ctx
	s.lifeMu.Unlock()
	for _, c := range s.allClusters() {
		c.startIfDirty()
	}
	s.group.Go(func() { s.summaries.run(ctx) })
	s.group.Go(func() { s.updates.run(ctx) })
	s.group.Go(func() { s.pauses.run(ctx) })
	<-ctx.Done()
	s.lifeMu.Lock()
	s.stopping = true
	s.lifeMu.Unlock()
	close(s.stopped)
	s.group.Wait()
	return nil
}

// start runs f under Run. It says no before Run and after its end.
func (s *Sessions) start(f func(ctx context.Context)) bool {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.ctx == nil || s.stopping {
		return false
	}
	s.group.Go(func() { f(s.ctx) })
	return true
}

// allClusters are the members there are now.
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

// syncCluster is the member of that name as the Registry has it now, nil where it has
// none.
func (s *Sessions) syncCluster(name string) *clusterState {
	c := s.cluster(name)
	if c == nil {
		if _, ok := s.config.Registry.Cluster(name); !ok {
			return nil
		}
		s.mu.Lock()
		if c = s.clusters[name]; c == nil {
			c = newClusterState(s, name)
			s.clusters[name] = c
		}
		s.mu.Unlock()
	}
	if c.syncSpec() {
		return c
	}
	s.mu.Lock()
	if s.clusters[name] == c {
		delete(s.clusters, name)
	}
	s.mu.Unlock()
	return nil
}

// Sync reads a cluster from the Registry again: it is new, was changed, or is gone.
func (s *Sessions) Sync(name string) { s.syncCluster(name) }

// Peek is the last value of a cluster, without any demand. It may have expired: see
// Value.Fresh.
func (s *Sessions) LastReport(name string) (*Report, bool) {
	c := s.cluster(name)
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report, c.report != nil
}

// Observe is what there is to tell of a cluster.
func (s *Sessions) Status(name string) Status {
	c := s.cluster(name)
	if c == nil {
		return Status{Cluster: name, Reason: AwaitingFirstContact, Session: Info{Phase: Idle}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// Events are the names of clusters of which there is something new to tell. One
// name stands for all that is new, and whoever does not take names holds nobody up.
func (s *Sessions) Updates() <-chan string { return s.updates.out }
