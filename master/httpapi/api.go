package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// Config is what an API is made of.
type Config struct {
	Sessions Sessions
	Registry Registry
	// DocumentCache keeps the bytes of the reports that are read.
	Documents *view.DocumentCache
	// Prometheus answers Prometheus' clients; nil: nobody does.
	Prometheus *prom.API
	// Past is a cluster's last minutes, for Heapster's routes; nil where there are none, as
	// may be what it gives.
	Past func(cluster string) *history.ClusterHistory
	// Identify tells who asks, and what they may see. Nil: everybody may see everything.
	Identify Identify
	// Hosts are those that requests may be for; nil: any. It is for where Identify is nil.
	Hosts *Hosts
	// SignIn goes with Identify.
	SignIn SignIn
	// Page is what browsers are shown outside of /api; nil: nothing. It is for everybody,
	// so it holds no data.
	Page http.Handler
	// Ready are the checks of /readyz, in their order. While one fails nothing is
	// answered under /api: a registry that is not read yet would not know a cluster
	// that is there, and a replica that does not lead has no sessions.
	Ready []Check
	// Gatherer is what /metrics shows; Metrics takes those of the API itself.
	Gatherer prometheus.Gatherer
	Metrics  prometheus.Registerer
	Log      *slog.Logger
	// Profiling serves /debug/pprof to who may get it. Without Identify that is everybody.
	Profiling bool
	// Limits of connections; its zero value has defaults.
	Limits connlimit.Config
}

// Sessions is what the API needs of session.Sessions.
type Sessions struct {
	// Await registers demand for a cluster and waits for a value that is an answer.
	Await func(ctx context.Context, cluster string) (*session.Value, error)
	// Peek is the last value, which may have expired, without demand.
	Peek func(cluster string) (*session.Value, bool)
	// Observe is how a cluster's session stands, without demand.
	Observe func(cluster string) session.Observation
	// Watch is demand for a cluster until release is called.
	Watch func(cluster string) (release func())
	// Look is how a cluster stands, and how to hear of more, without demand; false where
	// there is none of that name.
	Look func(cluster string) (session.Glance, bool)
}

// Registry is what the API needs to know of the registered clusters.
type Registry struct {
	// Resolve is the name of the cluster that is called by a name or a cluster IP.
	Resolve func(nameOrIP string) (cluster string, ok bool)
	// List is all of them, by name.
	List func() []Registered
	// LastKnown is what another master may have left of a cluster that this one has
	// not heard of yet.
	LastKnown func(cluster string) (LastKnown, bool)
}

// Registered is one registered cluster.
type Registered struct {
	Name       string
	ClusterIPs []string
	Suspended  bool
}

// LastKnown is what was known of a cluster at some time.
type LastKnown struct {
	session.Known
	KubernetesVersion string
}

// API answers requests. Its zero value is not usable; New makes one.
type API struct {
	config  Config
	mux     *http.ServeMux
	nothing http.Handler // at a path that cannot be
	foreign http.Handler // for a host that is not accepted
	crowded http.Handler // of an address that has too many
	whole   http.Handler // of wholePattern
	metrics *metrics
	limiter *connlimit.Limiter
	fleet   *view.Fleet
	// published is the OpenAPI document.
	published func() (published, error)

	// streams are those that are open.
	streams sync.WaitGroup
	// draining ends all waiting for reports.
	draining context.Context
	drain    context.CancelFunc
}

// New is an API; it starts nothing.
func New(c Config) *API {
	a := &API{config: c, mux: http.NewServeMux(), fleet: view.NewFleet(), limiter: newLimiter(c)}
	a.metrics = newMetrics(c.Metrics, c.Documents, a.limiter)
	a.draining, a.drain = context.WithCancel(context.Background())
	a.published = sync.OnceValues(a.publish)
	a.nothing = a.endpoint("other", withoutBody(noSuchPath))
	a.crowded = a.endpoint("other", withoutBody(tooMany))
	a.foreign = a.endpoint("other", withoutBody(a.misdirected))
	a.routes()
	return a
}

// Drain ends all waiting for reports: such requests are told to come again. Those
// that already have their answer are not disturbed.
func (a *API) Drain() { a.drain() }
