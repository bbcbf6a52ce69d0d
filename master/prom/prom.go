package prom

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/session"
)

const (
	// DefaultMaxSamples limits the samples that one query holds in memory, of 16 bytes each.
	DefaultMaxSamples = 5_000_000
	// maxSeries limits the series that one request selects, of about 300 bytes each.
	maxSeries = 300_000
	// maxPoints limits the points of a series in a range query. Prometheus has the same limit.
	maxPoints = 11_000
	// maxDemand limits the clusters that one query asks to report.
	maxDemand = 50
	// maxQueries limits the requests that are parsed, and those that are evaluated, at once.
	// maxWaiting limits the requests that wait to be evaluated.
	maxQueries = 8
	maxWaiting = 64
	// queryTimeout limits a request, including the time that it waits. A request can set less.
	queryTimeout = 30 * time.Second
	// lookback is how far an instant looks back for a sample, as in Prometheus.
	lookback = 5 * time.Minute
	// defaultStep is the step of a subquery that sets none.
	defaultStep = time.Minute
	// prometheusVersion is the version of the Prometheus that the engine is taken from. Clients
	// decide by it which features they use.
	prometheusVersion = "3.15.0"
)

// Config configures an API.
type Config struct {
	Sessions Sessions
	Registry Registry
	// History is nil if no history is kept. RevisionTimes works with or without it.
	History       *history.History
	RevisionTimes *samples.RevisionTimes
	// MaxSamples limits the samples that one query holds in memory. Zero means DefaultMaxSamples.
	MaxSamples int
	Version    string
	Metrics    prometheus.Registerer
	Log        *slog.Logger
}

// Sessions is what queries use of session.Sessions.
type Sessions interface {
	// Current returns the status and the last report of a cluster, without demanding a report.
	Current(cluster string) (session.Current, error)
	// RegisterDemand asks a cluster to report. It does not wait for the report.
	RegisterDemand(ctx context.Context, cluster string) error
}

// Registry is what queries use of the registry of clusters.
type Registry interface {
	// Names returns the names of all registered clusters.
	Names() ([]string, error)
}

// Level is how much of a cluster a caller may see. Higher levels include lower ones.
type Level uint8

const (
	// NoAccess hides even that the cluster exists.
	NoAccess Level = iota
	// Summary allows the counts of the cluster and the status of its session.
	Summary
	// Details allows everything.
	Details
)

// Authorizer returns how much a caller may see of each of some clusters. A cluster that is
// missing in the result has the level NoAccess.
//
// If byName is set, the request itself contains the names, and clusters of these names may not
// exist. Otherwise they are names of registered clusters, or only "", which stands for all
// clusters. An error means that access could not be decided.
type Authorizer func(ctx context.Context, clusters []string, byName bool) (map[string]Level, error)

// Response is the response to a request. Callers have to call Close after they have sent it.
type Response struct {
	// Type is the media type of the body.
	Type string
	// Body is the body, unless Stream is set.
	Body []byte
	// Stream writes a body that is too long to be buffered. The query counts as running until
	// Close is called, so callers should allow a client no more than StreamTimeout to read it.
	Stream func(io.Writer) error

	release func()
}

// StreamTimeout is how long a client may take to read a streamed response.
const StreamTimeout = queryTimeout

// Close releases the query that a streamed response is read from. It may be called repeatedly.
func (r *Response) Close() {
	if r.release != nil {
		r.release()
		r.release = nil
	}
}

// Request is a request to one Route.
type Request struct {
	Form url.Values
	// Label is the path parameter {label}.
	Label     string
	Authorize Authorizer
	// Accept is the request header Accept.
	Accept string
	// Forbidden returns the error for a caller that may see no cluster. If it is nil, a default
	// error is used.
	Forbidden func(ctx context.Context) error
}

// API serves the Prometheus HTTP API. Its methods may be called concurrently.
type API struct {
	config Config
	engine *promql.Engine
	parser parser.Parser
	// families are sorted by name.
	families []samples.Family
	// maxSeries limits the series that one request selects.
	maxSeries int
	// querySem holds a token for each request that is evaluated, parseSem for each one that is
	// parsed. waiting counts the requests that wait for querySem.
	querySem chan struct{}
	waiting  atomic.Int64
	parseSem chan struct{}
	metrics  *metrics
}

// New returns an API.
func New(c Config) *API {
	if c.MaxSamples == 0 {
		c.MaxSamples = DefaultMaxSamples
	}
	if c.RevisionTimes == nil {
		c.RevisionTimes = samples.NewRevisionTimes(0)
	}
	p := parser.NewParser(parser.Options{})
	a := &API{config: c, parser: p, families: samples.Families, maxSeries: maxSeries, querySem: make(chan struct{}, maxQueries), parseSem: make(chan struct{}, maxQueries)}
	a.metrics = newMetrics(c.Metrics, a.querySem)
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger: c.Log, MaxSamples: c.MaxSamples, Timeout: queryTimeout, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return defaultStep.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, Parser: p,
	})
	return a
}

// evalFunc evaluates a request that is parsed and authorized.
type evalFunc func(ctx context.Context) (Response, error)

// prepareFunc parses and authorizes a request.
type prepareFunc func(ctx context.Context, qc *queryContext, r Request) (evalFunc, error)

// handler returns a handler for requests that contain PromQL, which also counts their outcomes
// under kind. It checks the text of the request, then that the caller may see any cluster at
// all, then parses and authorizes the request, and only then waits for its turn to be evaluated.
// So a caller without access cannot have anything parsed, and no request occupies the engine
// while the hub is asked for access.
func (a *API) handler(kind string, prepare prepareFunc) func(context.Context, Request) (Response, error) {
	return func(ctx context.Context, r Request) (Response, error) {
		response, err := a.response(ctx, r, prepare)
		return response, a.metrics.observe(kind, err)
	}
}

func (a *API) response(ctx context.Context, r Request, prepare prepareFunc) (response Response, err error) {
	check, err := checkForm(r.Form)
	if err != nil {
		return Response{}, err
	}
	ctx, cancel, err := withTimeout(ctx, r.Form)
	if err != nil {
		return Response{}, err
	}
	defer func() {
		if response.Stream == nil {
			cancel()
		}
	}()
	qc, err := a.newQueryContext(r.Authorize)
	if err != nil {
		return Response{}, toAPIError(err)
	}
	qc.programs = check.programs
	if err := qc.requireAccess(ctx, check.clusters, r.Forbidden); err != nil {
		return Response{}, toAPIError(err)
	}
	evaluate, err := prepare(ctx, qc, r)
	if err != nil {
		return Response{}, err
	}
	if err := a.acquireQuery(ctx); err != nil {
		return Response{}, err
	}
	defer func() {
		if response.Stream == nil {
			response.Close()
			<-a.querySem
			return
		}
		done := response.release
		response.release = func() {
			if done != nil {
				done()
			}
			cancel()
			<-a.querySem
		}
	}()
	return evaluate(ctx)
}

// parse calls parse. At most maxQueries calls run at once.
func (a *API) parse(ctx context.Context, parse func() error) error {
	select {
	case a.parseSem <- struct{}{}:
	case <-ctx.Done():
		return queueTimeoutError(ctx)
	}
	defer func() { <-a.parseSem }()
	return parse()
}

// acquireQuery takes a token of querySem, and waits for one if fewer than maxWaiting requests wait.
func (a *API) acquireQuery(ctx context.Context) error {
	select {
	case a.querySem <- struct{}{}:
		return nil
	default:
	}
	if a.waiting.Add(1) > maxWaiting {
		a.waiting.Add(-1)
		return &Error{Type: ErrorUnavailable, Err: fmt.Errorf("too many queries: %d are running and %d are waiting; try again in a few seconds, or query less often", maxQueries, maxWaiting)}
	}
	defer a.waiting.Add(-1)
	select {
	case a.querySem <- struct{}{}:
		return nil
	case <-ctx.Done():
		return queueTimeoutError(ctx)
	}
}

func queueTimeoutError(ctx context.Context) error {
	return &Error{Type: ErrorTimeout, Err: fmt.Errorf("wait for one of %d running queries to finish: %w", maxQueries, context.Cause(ctx))}
}
