package prom

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// newQuerier returns a querier over the time range of a request. Without one, it covers all of
// the history.
func (qc *queryContext) newQuerier(r Request) (*querier, error) {
	start, err := parseTime(r.Form, "start", time.UnixMilli(0))
	if err != nil {
		return nil, err
	}
	end, err := parseTime(r.Form, "end", qc.now)
	if err != nil {
		return nil, err
	}
	if end.Before(start) {
		return nil, badData("end", errors.New("must not be before the start"))
	}
	return &querier{qc: qc, from: start.UnixMilli(), to: end.UnixMilli()}, nil
}

// selection holds the common parameters of /labels, /label/{label}/values and /series.
type selection struct {
	*querier
	selectors [][]*labels.Matcher
	limit     int
}

// parseSelection parses the parameters of a request, and authorizes its selectors.
func (a *API) parseSelection(ctx context.Context, qc *queryContext, r Request) (sel selection, err error) {
	if sel.querier, err = qc.newQuerier(r); err != nil {
		return sel, err
	}
	if sel.selectors, err = a.parseSelectors(ctx, r.Form); err != nil {
		return sel, err
	}
	if sel.limit, err = parseLimit(r.Form); err != nil {
		return sel, err
	}
	if len(sel.selectors) == 0 {
		return sel, qc.authorizeSelectors(ctx, nil)
	}
	return sel, qc.authorizeSelectors(ctx, sel.selectors...)
}

// labels prepares a list of label names.
func (a *API) labels(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	sel, err := a.parseSelection(ctx, qc, r)
	if err != nil {
		return nil, err
	}
	return sel.union(func(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
		names, _, err := sel.LabelNames(ctx, nil, matchers...)
		return names, err
	}), nil
}

// values prepares a list of the values of one label.
func (a *API) values(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	if !model.UTF8Validation.IsValidLabelName(r.Label) {
		return nil, badData("name", fmt.Errorf("%.40q is not a valid label name", r.Label))
	}
	sel, err := a.parseSelection(ctx, qc, r)
	if err != nil {
		return nil, err
	}
	return sel.union(func(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
		values, _, err := sel.LabelValues(ctx, r.Label, nil, matchers...)
		return values, err
	}), nil
}

// union returns an evalFunc that lists the distinct results of find for all selectors. Without
// selectors, it calls find once without matchers.
func (sel selection) union(find func(context.Context, []*labels.Matcher) ([]string, error)) evalFunc {
	selectors := sel.selectors
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	return func(ctx context.Context) (Response, error) {
		all := map[string]bool{}
		for _, matchers := range selectors {
			found, err := find(ctx, matchers)
			if err != nil {
				return Response{}, toAPIError(err)
			}
			for _, one := range found {
				all[one] = true
			}
		}
		return limitedList(sortedKeys(all), sel.limit)
	}
}

func limitedList[T any](list []T, limit int) (Response, error) {
	list, cut := truncate(list, limit)
	if cut {
		return listResponse(list, fmt.Sprintf("results truncated due to limit %d", limit))
	}
	return listResponse(list)
}

// series prepares a list of the label sets of the series that have a sample.
func (a *API) series(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	sel, err := a.parseSelection(ctx, qc, r)
	if err != nil {
		return nil, err
	}
	if len(sel.selectors) == 0 {
		return nil, badData("match[]", errors.New("is required; set at least one series selector"))
	}
	return func(ctx context.Context) (Response, error) {
		var all []storage.Series
		for _, matchers := range sel.selectors {
			found, err := sel.qc.find(ctx, sel.from, sel.to, matchers)
			if err != nil {
				return Response{}, toAPIError(err)
			}
			all = append(all, slices.DeleteFunc(found, func(s storage.Series) bool { return !s.(*series).any() })...)
		}
		sortSeries(all)
		all = slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) })
		sets := make([]labels.Labels, len(all))
		for i, s := range all {
			sets[i] = s.Labels()
		}
		return limitedList(sets, sel.limit)
	}, nil
}

// metadata is an element of the response of /metadata.
type metadata struct {
	Type model.MetricType `json:"type"`
	Help string           `json:"help"`
	Unit string           `json:"unit"`
}

func (a *API) metadata(_ context.Context, r Request) (Response, error) {
	limit, err := parseLimit(r.Form)
	if err != nil {
		return Response{}, err
	}
	all, only := map[string][]metadata{}, r.Form.Get("metric")
	for _, f := range a.families {
		if limit > 0 && len(all) == limit {
			break
		}
		if only == "" || only == f.Name {
			all[f.Name] = []metadata{{Type: f.Type, Help: f.Help}}
		}
	}
	return dataResponse(all)
}

// exemplars prepares an empty response, as there are no exemplars. Dashboards request them.
func (a *API) exemplars(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	err := a.parse(ctx, func() error {
		expr, err := a.parser.ParseExpr(r.Form.Get("query"))
		if err != nil {
			return badData("query", err)
		}
		if _, err := estimateCost(expr, qc.programs, 0, 0); err != nil {
			return badData("query", err)
		}
		return nil
	})
	return func(context.Context) (Response, error) { return listResponse([]string{}) }, err
}

// rules returns an empty response, as there are no rules. Dashboards request them.
func (a *API) rules(context.Context, Request) (Response, error) {
	return dataResponse(map[string][]string{"groups": {}})
}

// buildInfo returns the version of the engine's Prometheus. Clients decide by it which features
// they use.
func (a *API) buildInfo(context.Context, Request) (Response, error) {
	return dataResponse(map[string]string{
		"version": prometheusVersion, "revision": a.config.Version, "branch": "rollcall", "buildUser": "", "buildDate": "", "goVersion": "",
	})
}
