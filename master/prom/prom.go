package prom

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/session"
)

const (
	// DefaultMaxSamples is how many samples one query may have in memory, 16 bytes each.
	DefaultMaxSamples = 5_000_000
	// maxSeries is how many series one query may select, some 300 bytes each.
	maxSeries = 300_000
	// maxPoints is how many points a series of a range may have, as with Prometheus.
	maxPoints = 11_000
	// maxDemand is how many clusters one query has report.
	maxDemand = 50
	// maxQueries are answered at once; others wait until their time is over.
	maxQueries = 8
	// queryTimeout is how long a query may take that gives no shorter time.
	queryTimeout = 30 * time.Second
	// lookback is for how long a sample without one behind it counts, as with Prometheus.
	lookback = 5 * time.Minute
	// compatible is the version of Prometheus whose engine this is; clients decide by it
	// what they may ask.
	compatible = "3.15.0"
)

// Config is what an API is made of.
type Config struct {
	// Clusters are the registered clusters, by name.
	Clusters func() []string
	// Look is how a cluster stands, without demand; false where there is none of that name.
	Look func(cluster string) (session.Glance, bool)
	// Want is demand for a cluster. It does not wait.
	Want func(cluster string)
	// History is nil where none is kept. Trail goes with it or without.
	History *history.History
	Trail   *Trail
	// MaxSamples is how many samples a query may have in memory; 0: DefaultMaxSamples.
	MaxSamples int
	Version    string
	Metrics    prometheus.Registerer
	Log        *slog.Logger
}

// Level is how much of a cluster a caller may see.
type Level uint8

const (
	// Nothing: not even that it is there.
	Nothing Level = iota
	// Summary: its counts, and how its session stands.
	Summary
	// Details: everything.
	Details
)

// Sight says how much of some clusters a caller may see; those that it does not name are
// Nothing. An error says that nobody could be asked.
type Sight func(ctx context.Context, clusters []string) (map[string]Level, error)

// Answer is what a client is told.
type Answer struct {
	// Type is the body's media type.
	Type string
	Body []byte
}

// Request is what a client asks.
type Request struct {
	Form url.Values
	// Label is what the path names.
	Label string
	See   Sight
	// Accept is the header of that name.
	Accept string
}

// API answers. It may be used by many goroutines.
type API struct {
	config Config
	engine *promql.Engine
	parser parser.Parser
	// turns are taken by queries that run.
	turns   chan struct{}
	metrics *metrics
}

// New is an API; it starts nothing.
func New(c Config) *API {
	if c.MaxSamples == 0 {
		c.MaxSamples = DefaultMaxSamples
	}
	if c.Trail == nil {
		c.Trail = NewTrail(0)
	}
	p := parser.NewParser(parser.Options{})
	a := &API{config: c, parser: p, turns: make(chan struct{}, maxQueries)}
	a.metrics = newMetrics(c.Metrics, a.turns)
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger: c.Log, MaxSamples: c.MaxSamples, Timeout: queryTimeout, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, Parser: p,
	})
	return a
}

// turn has a request wait for its turn, and counts how it ended.
func (a *API) turn(kind string, serve func(context.Context, Request) (Answer, error)) func(context.Context, Request) (Answer, error) {
	return func(ctx context.Context, r Request) (Answer, error) {
		ctx, cancel, err := withTimeout(ctx, r.Form)
		if err != nil {
			return Answer{}, a.metrics.ended(kind, err)
		}
		defer cancel()
		select {
		case a.turns <- struct{}{}:
			defer func() { <-a.turns }()
		case <-ctx.Done():
			return Answer{}, a.metrics.ended(kind, waitedInVain(ctx))
		}
		answer, err := serve(ctx, r)
		return answer, a.metrics.ended(kind, err)
	}
}

func waitedInVain(ctx context.Context) error {
	return &Error{Type: ErrorTimeout, Err: fmt.Errorf("%d queries run already, and none ended in time: %w", maxQueries, context.Cause(ctx))}
}
