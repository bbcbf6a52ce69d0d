package prom

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// query answers at one instant.
func (a *API) query(ctx context.Context, s *scene, r Request) (answerer, error) {
	at, err := timeOf(r.Form, "time", time.Now())
	if err != nil {
		return nil, err
	}
	return a.prepare(ctx, s, r, span{}, func(opts promql.QueryOpts, words string) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, storing{s}, opts, words, at)
	})
}

// queryRange answers at each step of a range.
func (a *API) queryRange(ctx context.Context, s *scene, r Request) (answerer, error) {
	over, err := spanOf(r.Form)
	if err != nil {
		return nil, err
	}
	return a.prepare(ctx, s, r, over, func(opts promql.QueryOpts, words string) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, storing{s}, opts, words, over.start, over.end, over.step)
	})
}

// maxWords is how many warnings an answer has at most.
const maxWords = 10

// prepare reads an expression, has the engine begin a query, and has it decided what the
// caller may see of the clusters that it asks about.
func (a *API) prepare(ctx context.Context, s *scene, r Request, over span, begin func(promql.QueryOpts, string) (promql.Query, error)) (answerer, error) {
	limit, err := limitOf(r.Form)
	if err != nil {
		return nil, err
	}
	behind, err := lookbackOf(r.Form)
	if err != nil {
		return nil, err
	}
	words := r.Form.Get("query")
	var expr parser.Expr
	var query promql.Query
	err = a.parse(ctx, func() error {
		// The engine parses, and evaluates nothing before Exec.
		if query, err = begin(promql.NewPrometheusQueryOpts(false, behind), words); err != nil {
			return err
		}
		expr = query.Statement().(*parser.EvalStmt).Expr
		s.plan, err = planOf(expr, s.programs, over.end.Sub(over.start), over.step)
		return err
	})
	if err != nil {
		var as *Error
		if errors.As(err, &as) {
			return nil, err
		}
		return nil, badData("query", err)
	}
	if err := s.decide(ctx, parser.ExtractSelectors(expr)...); err != nil {
		query.Close()
		return nil, err
	}
	return func(ctx context.Context) (Answer, error) { return s.evaluate(ctx, query, expr, words, limit) }, nil
}

// evaluate has the engine answer, and the clusters report that are asked about.
func (s *scene) evaluate(ctx context.Context, query promql.Query, expr parser.Expr, words string, limit int) (Answer, error) {
	cold, err := s.want(ctx, expr)
	if err != nil {
		query.Close()
		return Answer{}, failed(err)
	}
	result := query.Exec(ctx)
	if result.Err != nil {
		query.Close()
		return Answer{}, failed(result.Err)
	}
	warnings, infos := result.Warnings.AsStrings(words, maxWords, maxWords)
	answer, err := encodeResult(result.Value, limit, append(cold, warnings...), infos)
	answer.done = query.Close
	if err != nil {
		answer.Close()
	}
	return answer, err
}

// exprType is a result's type as Prometheus names it.
func exprType(v parser.Value) string { return string(v.Type()) }
