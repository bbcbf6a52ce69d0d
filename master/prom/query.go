package prom

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// query answers at one instant.
func (a *API) query(ctx context.Context, r Request) (Answer, error) {
	at, err := timeOf(r.Form, "time", time.Now())
	if err != nil {
		return Answer{}, err
	}
	return a.evaluate(ctx, r, func(s *scene, opts promql.QueryOpts, words string) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, storing{s}, opts, words, at)
	})
}

// queryRange answers at each step of a range.
func (a *API) queryRange(ctx context.Context, r Request) (Answer, error) {
	over, err := spanOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	return a.evaluate(ctx, r, func(s *scene, opts promql.QueryOpts, words string) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, storing{s}, opts, words, over.start, over.end, over.step)
	})
}

// maxWords is how many warnings an answer has at most.
const maxWords = 10

// evaluate has the engine answer, and the clusters report that are asked about.
func (a *API) evaluate(ctx context.Context, r Request, begin func(*scene, promql.QueryOpts, string) (promql.Query, error)) (Answer, error) {
	limit, err := limitOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	behind, err := lookbackOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	words := r.Form.Get("query")
	expr, err := a.parser.ParseExpr(words)
	if err != nil {
		return Answer{}, badData("query", err)
	}
	s := a.scene(r.See)
	query, err := begin(s, promql.NewPrometheusQueryOpts(false, behind), words)
	if err != nil {
		return Answer{}, badData("query", err)
	}
	defer query.Close()
	cold, err := s.want(ctx, expr)
	if err != nil {
		return Answer{}, failed(err)
	}
	result := query.Exec(ctx)
	if result.Err != nil {
		return Answer{}, failed(result.Err)
	}
	warnings, infos := result.Warnings.AsStrings(words, maxWords, maxWords)
	return encodeResult(result.Value, limit, append(cold, warnings...), infos), nil
}

// exprType is a result's type as Prometheus names it.
func exprType(v parser.Value) string { return string(v.Type()) }
