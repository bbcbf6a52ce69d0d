package prom

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// query prepares an instant query.
func (a *API) query(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	at, err := parseTime(r.Form, "time", time.Now())
	if err != nil {
		return nil, err
	}
	return a.prepareQuery(ctx, qc, r, timeRange{}, func(opts promql.QueryOpts, text string) (promql.Query, error) {
		return a.engine.NewInstantQuery(ctx, queryable{qc}, opts, text, at)
	})
}

// queryRange prepares a range query.
func (a *API) queryRange(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	rng, err := parseRange(r.Form)
	if err != nil {
		return nil, err
	}
	return a.prepareQuery(ctx, qc, r, rng, func(opts promql.QueryOpts, text string) (promql.Query, error) {
		return a.engine.NewRangeQuery(ctx, queryable{qc}, opts, text, rng.start, rng.end, rng.step)
	})
}

// maxAnnotations limits the warnings, and the infos, of a response.
const maxAnnotations = 10

// prepareQuery creates a query with newQuery, checks its cost, and authorizes its selectors.
func (a *API) prepareQuery(ctx context.Context, qc *queryContext, r Request, rng timeRange, newQuery func(promql.QueryOpts, string) (promql.Query, error)) (evalFunc, error) {
	limit, err := parseLimit(r.Form)
	if err != nil {
		return nil, err
	}
	lookbackDelta, err := parseLookback(r.Form)
	if err != nil {
		return nil, err
	}
	text := r.Form.Get("query")
	var expr parser.Expr
	var query promql.Query
	err = a.parse(ctx, func() error {
		// The engine parses, and evaluates nothing before Exec.
		if query, err = newQuery(promql.NewPrometheusQueryOpts(false, lookbackDelta), text); err != nil {
			return err
		}
		expr = query.Statement().(*parser.EvalStmt).Expr
		qc.cost, err = estimateCost(expr, qc.programs, rng.end.Sub(rng.start), rng.step)
		return err
	})
	if err != nil {
		var apiErr *Error
		if errors.As(err, &apiErr) {
			return nil, err
		}
		return nil, badData("query", err)
	}
	if err := qc.authorizeSelectors(ctx, parser.ExtractSelectors(expr)...); err != nil {
		query.Close()
		return nil, err
	}
	return func(ctx context.Context) (Response, error) { return qc.evaluate(ctx, query, expr, text, limit) }, nil
}

// evaluate runs a query and demands reports of the clusters that it names.
func (qc *queryContext) evaluate(ctx context.Context, query promql.Query, expr parser.Expr, text string, limit int) (Response, error) {
	demandWarnings, err := qc.demand(ctx, expr)
	if err != nil {
		query.Close()
		return Response{}, toAPIError(err)
	}
	result := query.Exec(ctx)
	if result.Err != nil {
		query.Close()
		return Response{}, toAPIError(result.Err)
	}
	warnings, infos := result.Warnings.AsStrings(text, maxAnnotations, maxAnnotations)
	response, err := resultResponse(result.Value, limit, append(demandWarnings, warnings...), infos)
	response.release = query.Close
	if err != nil {
		response.Close()
	}
	return response, err
}

func exprType(v parser.Value) string { return string(v.Type()) }
