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

// lookIn is a querier over the time that a request names, else over all that there is.
func (s *scene) lookIn(r Request) (*querier, error) {
	start, err := timeOf(r.Form, "start", time.UnixMilli(0))
	if err != nil {
		return nil, err
	}
	end, err := timeOf(r.Form, "end", s.now)
	if err != nil {
		return nil, err
	}
	if end.Before(start) {
		return nil, badData("end", errors.New("it is before the start"))
	}
	return &querier{scene: s, from: start.UnixMilli(), to: end.UnixMilli()}, nil
}

// selection is what /labels, /values and /series have in common: where to look, for what,
// and how much of it.
type selection struct {
	*querier
	selectors [][]*labels.Matcher
	limit     int
}

// selection reads it, and has it decided what the caller may see of it.
func (a *API) selection(ctx context.Context, s *scene, r Request) (at selection, err error) {
	if at.querier, err = s.lookIn(r); err != nil {
		return at, err
	}
	if at.selectors, err = a.selectorsOf(ctx, r.Form); err != nil {
		return at, err
	}
	if at.limit, err = limitOf(r.Form); err != nil {
		return at, err
	}
	if len(at.selectors) == 0 {
		return at, s.decide(ctx, nil)
	}
	return at, s.decide(ctx, at.selectors...)
}

// labels are the names of labels.
func (a *API) labels(ctx context.Context, s *scene, r Request) (answerer, error) {
	at, err := a.selection(ctx, s, r)
	if err != nil {
		return nil, err
	}
	return at.union(func(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
		names, _, err := at.LabelNames(ctx, nil, matchers...)
		return names, err
	}), nil
}

// values are those of one label.
func (a *API) values(ctx context.Context, s *scene, r Request) (answerer, error) {
	if !model.UTF8Validation.IsValidLabelName(r.Label) {
		return nil, badData("name", fmt.Errorf("%.40q is no label's name", r.Label))
	}
	at, err := a.selection(ctx, s, r)
	if err != nil {
		return nil, err
	}
	return at.union(func(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
		values, _, err := at.LabelValues(ctx, r.Label, nil, matchers...)
		return values, err
	}), nil
}

// union is all that selectors find, each once; without any, all that there is.
func (at selection) union(find func(context.Context, []*labels.Matcher) ([]string, error)) answerer {
	selectors := at.selectors
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	return func(ctx context.Context) (Answer, error) {
		all := map[string]bool{}
		for _, matchers := range selectors {
			found, err := find(ctx, matchers)
			if err != nil {
				return Answer{}, failed(err)
			}
			for _, one := range found {
				all[one] = true
			}
		}
		return limited(sortedKeys(all), at.limit)
	}
}

func limited[T any](list []T, limit int) (Answer, error) {
	list, cut := cutTo(list, limit)
	if cut {
		return encodedList(list, fmt.Sprintf("there are more than the %d results that were asked for", limit))
	}
	return encodedList(list)
}

// series are the labels of all series of which there is a sample.
func (a *API) series(ctx context.Context, s *scene, r Request) (answerer, error) {
	at, err := a.selection(ctx, s, r)
	if err != nil {
		return nil, err
	}
	if len(at.selectors) == 0 {
		return nil, badData("match[]", errors.New("it is missing: it says of which series"))
	}
	return func(ctx context.Context) (Answer, error) {
		var all []storage.Series
		for _, matchers := range at.selectors {
			found, err := at.scene.find(ctx, at.from, at.to, matchers)
			if err != nil {
				return Answer{}, failed(err)
			}
			all = append(all, slices.DeleteFunc(found, func(s storage.Series) bool { return !s.(*series).any() })...)
		}
		sortSeries(all)
		all = slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) })
		sets := make([]labels.Labels, len(all))
		for i, s := range all {
			sets[i] = s.Labels()
		}
		return limited(sets, at.limit)
	}, nil
}

// described is what /metadata says of a name.
type described struct {
	Type model.MetricType `json:"type"`
	Help string           `json:"help"`
	Unit string           `json:"unit"`
}

func (a *API) metadata(_ context.Context, r Request) (Answer, error) {
	limit, err := limitOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	all, only := map[string][]described{}, r.Form.Get("metric")
	for _, f := range families {
		if limit > 0 && len(all) == limit {
			break
		}
		if only == "" || only == f.name {
			all[f.name] = []described{{Type: f.kind, Help: f.help}}
		}
	}
	return encoded(all)
}

// exemplars are asked for by dashboards, and there are none.
func (a *API) exemplars(ctx context.Context, s *scene, r Request) (answerer, error) {
	err := a.parse(ctx, func() error {
		expr, err := a.parser.ParseExpr(r.Form.Get("query"))
		if err != nil {
			return badData("query", err)
		}
		if _, err := planOf(expr, s.programs, 0, 0); err != nil {
			return badData("query", err)
		}
		return nil
	})
	return func(context.Context) (Answer, error) { return encodedList([]string{}) }, err
}

// rules are asked for by dashboards, and there are none.
func (a *API) rules(context.Context, Request) (Answer, error) {
	return encoded(map[string][]string{"groups": {}})
}

// buildInfo tells clients what they may ask, by the version of Prometheus that can.
func (a *API) buildInfo(context.Context, Request) (Answer, error) {
	return encoded(map[string]string{
		"version": compatible, "revision": a.config.Version, "branch": "rollcall", "buildUser": "", "buildDate": "", "goVersion": "",
	})
}
