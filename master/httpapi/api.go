package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/api/connlimit"
	"rollcall.dev/rollcall/master/audit"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/httpapi/openapi"
	"rollcall.dev/rollcall/master/httpapi/signin"
	"rollcall.dev/rollcall/master/prom"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/view"
)

// Config holds the dependencies and settings of an API.
type Config struct {
	Sessions Sessions
	Registry Registry
	// Documents caches the encoded reports.
	Documents *view.DocumentCache
	// Prometheus serves Prometheus queries; nil disables them.
	Prometheus *prom.API
	// History returns the recent metrics of a cluster, for Heapster's routes. It may be nil, and
	// may return nil if there is no history.
	History func(cluster string) *history.ClusterHistory
	// Authenticate identifies the sender of a request. If nil, everyone may see everything.
	Authenticate Authenticate
	// Hosts are the accepted values of the Host header; nil accepts any. It is meant for an API
	// without Authenticate.
	Hosts *Hosts
	// SignIn is used together with Authenticate.
	SignIn signin.Config
	// Links serves link.Path for agents that dial the master; nil for none. It authenticates agents itself.
	Links http.Handler
	// Page serves browsers outside of /api; nil for none. It is served without authentication, so
	// it must not contain data.
	Page http.Handler
	// Ready holds the checks of /readyz, in order. While one fails, requests under /api are
	// rejected: a registry that has not been read yet would report existing clusters as missing,
	// and a replica that is not the leader has no sessions.
	Ready []Check
	// Gatherer is the source of /metrics. Metrics registers the API's own metrics.
	Gatherer prometheus.Gatherer
	Metrics  prometheus.Registerer
	Log      *slog.Logger
	// Profiling enables /debug/pprof for callers that are authorized for its paths; without
	// Authenticate, for everyone.
	Profiling bool
	// Version is the master's version. Local says that it runs on a user's machine, without a hub.
	Version string
	Local   bool
	// Limits are the connection limits; the zero value uses defaults.
	Limits connlimit.Config
	// Audit is called for each request, and for the start of each watch. It must not block. If it is nil,
	// nothing is audited.
	Audit func(audit.Event)
}

// Sessions is what the API uses of session.Sessions.
type Sessions interface {
	// Await registers demand for a cluster and waits for a fresh report.
	Await(ctx context.Context, cluster string) (*session.Report, error)
	// LastReport returns the last report, which may have expired. It does not register demand.
	LastReport(cluster string) (*session.Report, bool)
	// Status returns the status of a cluster's session. It does not register demand.
	Status(cluster string) session.Status
	// Watch registers demand for a cluster until release is called.
	Watch(ctx context.Context, cluster string) (release func(), err error)
	// Current returns the status of a cluster and a channel for its next change. It does not register
	// demand.
	Current(cluster string) (session.Current, error)
}

// Registry is what the API uses of the registry of clusters. Its errors are session.ErrNotFound, or wrap
// session.ErrRegistryUnavailable: then it is not known which clusters exist.
type Registry interface {
	// Resolve returns the name of the cluster with a name or cluster IP.
	Resolve(nameOrIP string) (cluster string, err error)
	// List returns all registered clusters, sorted by name.
	List() ([]session.Registered, error)
	// StoredStatus returns what another master stored about a cluster that has not reported to this
	// one yet.
	StoredStatus(cluster string) (session.StoredStatus, error)
}

// API is the HTTP handler of a master. Create it with New.
type API struct {
	config             Config
	mux                *http.ServeMux
	notFoundHandler    http.Handler // for paths that are not clean
	misdirectedHandler http.Handler // for hosts that are not accepted
	tooManyHandler     http.Handler // for addresses with too many open requests
	clusterHandler     http.Handler // for wholePattern
	metrics            *metrics
	limiter            *connlimit.Limiter
	clusterList        *view.ClusterListLog
	// openAPI returns the OpenAPI document in its served forms.
	openAPI func() (openapi.Document, error)

	// parameterNames has the names of the parameters of each route.
	parameterNames map[string][]string

	// streams counts the open streams.
	streams sync.WaitGroup
	// draining is done when the master shuts down. It ends all waiting for reports.
	draining context.Context
	drain    context.CancelFunc
}

// New returns an API. It starts no goroutines.
func New(c Config) *API {
	a := &API{config: c, mux: http.NewServeMux(), clusterList: view.NewClusterListLog(), limiter: newLimiter(c)}
	a.metrics = newMetrics(c.Metrics, c.Documents, a.limiter)
	a.draining, a.drain = context.WithCancel(context.Background())
	a.openAPI = sync.OnceValues(a.renderOpenAPI)
	a.notFoundHandler = a.handler(otherRoute, rejectBody(noSuchPath))
	a.tooManyHandler = a.handler(otherRoute, rejectBody(tooManyRequests))
	a.misdirectedHandler = a.handler(otherRoute, rejectBody(a.misdirected))
	a.routes()
	return a
}

// Drain ends all waiting for reports and all streams; these clients are told to retry. Responses
// that are being written are not interrupted.
func (a *API) Drain() { a.drain() }
