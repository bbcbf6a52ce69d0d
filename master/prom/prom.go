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
	"rollcall.dev/rollcall/master/session"
)

const (
	// DefaultMaxSamples is how many samples one query may have in memory, 16 bytes each.
	DefaultMaxSamples = 5_000_000
	// maxSeries is how many series one request may select, some 300 bytes each.
	maxSeries = 300_000
	// maxPoints is how many points a series of a range may have, as with Prometheus.
	maxPoints = 11_000
	// maxDemand is how many clusters one query has report.
	maxDemand = 50
	// maxQueries are answered at once; maxWaiting others wait until their time is over.
	maxQueries = 8
	maxWaiting = 64
	// queryTimeout is how long a query may take that gives no shorter time.
	queryTimeout = 30 * time.Second
	// lookback is for how long a sample without one behind it counts, as with Prometheus.
	lookback = 5 * time.Minute
	// defaultStep is that of a subquery which names none.
	defaultStep = time.Minute
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
// Nothing. Those that are named may be none that there are; otherwise they are some of all
// clusters, and the name "" is for all of them. An error says that nobody could be asked.
type Sight func(ctx context.Context, clusters []string, named bool) (map[string]Level, error)

// Answer is what a client is told. Close has to be called when it was.
type Answer struct {
	// Type is the body's media type.
	Type string
	// Body is the answer, unless Stream is set.
	Body []byte
	// Stream writes an answer that is too long to be held. The query keeps its turn until
	// Close, so that the client should not have more than StreamTimeout to read it.
	Stream func(io.Writer) error

	done func()
}

// StreamTimeout is how long a client may take to read an answer that is streamed.
const StreamTimeout = queryTimeout

// Close gives back what a streamed answer holds.
func (a *Answer) Close() {
	if a.done != nil {
		a.done()
		a.done = nil
	}
}

// Request is what a client asks.
type Request struct {
	Form url.Values
	// Label is what the path names.
	Label string
	See   Sight
	// Accept is the header of that name.
	Accept string
	// Forbidden is the error that tells somebody who may see no cluster what they lack.
	Forbidden func(ctx context.Context) error
}

// API answers. It may be used by many goroutines.
type API struct {
	config Config
	engine *promql.Engine
	parser parser.Parser
	// maxSeries is how many series one request may select.
	maxSeries int
	// turns are taken by queries that run, waiting counts those that wait for one. parsing
	// is held by requests that are being parsed.
	turns   chan struct{}
	waiting atomic.Int64
	parsing chan struct{}
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
	a := &API{config: c, parser: p, maxSeries: maxSeries, turns: make(chan struct{}, maxQueries), parsing: make(chan struct{}, maxQueries)}
	a.metrics = newMetrics(c.Metrics, a.turns)
	a.engine = promql.NewEngine(promql.EngineOpts{
		Logger: c.Log, MaxSamples: c.MaxSamples, Timeout: queryTimeout, LookbackDelta: lookback,
		NoStepSubqueryIntervalFn: func(int64) int64 { return defaultStep.Milliseconds() },
		EnableAtModifier:         true, EnableNegativeOffset: true, Parser: p,
	})
	return a
}

// answerer is a request that is ready to be answered: all questions of access are decided.
type answerer func(ctx context.Context) (Answer, error)

// preparation reads a request, and has it decided what its caller may see of what it asks for.
type preparation func(ctx context.Context, s *scene, r Request) (answerer, error)

// limited answers a request that has PromQL in it, and counts how it ended. In this order:
// what it asks is bounded by its text alone; the caller may see one cluster at least; it is
// parsed, and decided what the caller may see of it; and it waits for its turn. So nobody
// without a right has anything parsed, and nobody holds a turn while the hub is asked.
func (a *API) limited(kind string, prepare preparation) func(context.Context, Request) (Answer, error) {
	return func(ctx context.Context, r Request) (Answer, error) {
		answer, err := a.answer(ctx, r, prepare)
		return answer, a.metrics.ended(kind, err)
	}
}

func (a *API) answer(ctx context.Context, r Request, prepare preparation) (answer Answer, err error) {
	check, err := checkForm(r.Form)
	if err != nil {
		return Answer{}, err
	}
	ctx, cancel, err := withTimeout(ctx, r.Form)
	if err != nil {
		return Answer{}, err
	}
	defer func() {
		if answer.Stream == nil {
			cancel()
		}
	}()
	s := a.scene(r.See)
	s.programs = check.programs
	if err := s.admit(ctx, check.clusters, r.Forbidden); err != nil {
		return Answer{}, failed(err)
	}
	evaluate, err := prepare(ctx, s, r)
	if err != nil {
		return Answer{}, err
	}
	if err := a.takeTurn(ctx); err != nil {
		return Answer{}, err
	}
	defer func() {
		if answer.Stream == nil {
			answer.Close()
			<-a.turns
			return
		}
		done := answer.done
		answer.done = func() {
			if done != nil {
				done()
			}
			cancel()
			<-a.turns
		}
	}()
	return evaluate(ctx)
}

// parse has so many requests parsed at once at most.
func (a *API) parse(ctx context.Context, parse func() error) error {
	select {
	case a.parsing <- struct{}{}:
	case <-ctx.Done():
		return waitedInVain(ctx)
	}
	defer func() { <-a.parsing }()
	return parse()
}

// takeTurn waits for a turn.
func (a *API) takeTurn(ctx context.Context) error {
	select {
	case a.turns <- struct{}{}:
		return nil
	default:
	}
	if a.waiting.Add(1) > maxWaiting {
		a.waiting.Add(-1)
		return &Error{Type: ErrorUnavailable, Err: fmt.Errorf("%d queries run and %d wait: ask again in some seconds, or less often", maxQueries, maxWaiting)}
	}
	defer a.waiting.Add(-1)
	select {
	case a.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return waitedInVain(ctx)
	}
}

func waitedInVain(ctx context.Context) error {
	return &Error{Type: ErrorTimeout, Err: fmt.Errorf("%d queries run already, and none ended in time: %w", maxQueries, context.Cause(ctx))}
}
