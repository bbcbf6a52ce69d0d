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
func (a *API) lookIn(r Request) (*querier, error) {
	start, err := timeOf(r.Form, "start", time.UnixMilli(0))
	if err != nil {
		return nil, err
	}
	s := a.scene(r.See)
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
func (a *API) selection(r Request) (q *querier, selectors [][]*labels.Matcher, limit int, err error) {
	if q, err = a.lookIn(r); err != nil {
		return nil, nil, 0, err
	}
	if selectors, err = a.selectorsOf(r.Form); err != nil {
		return nil, nil, 0, err
	}
	limit, err = limitOf(r.Form)
	return q, selectors, limit, err
}

// labels are the names of labels.
func (a *API) labels(ctx context.Context, r Request) (Answer, error) {
	q, selectors, limit, err := a.selection(r)
	if err != nil {
		return Answer{}, err
	}
	return union(selectors, limit, func(matchers []*labels.Matcher) ([]string, error) {
		names, _, err := q.LabelNames(ctx, nil, matchers...)
		return names, err
	})
}

// values are those of one label.
func (a *API) values(ctx context.Context, r Request) (Answer, error) {
	if !model.UTF8Validation.IsValidLabelName(r.Label) {
		return Answer{}, badData("name", fmt.Errorf("%.40q is no label's name", r.Label))
	}
	q, selectors, limit, err := a.selection(r)
	if err != nil {
		return Answer{}, err
	}
	return union(selectors, limit, func(matchers []*labels.Matcher) ([]string, error) {
		values, _, err := q.LabelValues(ctx, r.Label, nil, matchers...)
		return values, err
	})
}

// union is all that selectors find, each once; without any, all that there is.
func union(selectors [][]*labels.Matcher, limit int, find func([]*labels.Matcher) ([]string, error)) (Answer, error) {
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{nil}
	}
	all := map[string]bool{}
	for _, matchers := range selectors {
		found, err := find(matchers)
		if err != nil {
			return Answer{}, failed(err)
		}
		for _, one := range found {
			all[one] = true
		}
	}
	return limited(sortedKeys(all), limit)
}

func limited[T any](list []T, limit int) (Answer, error) {
	list, cut := cutTo(list, limit)
	if cut {
		return encoded(list, fmt.Sprintf("there are more than the %d results that were asked for", limit))
	}
	return encoded(list)
}

// series are the labels of all series of which there is a sample.
func (a *API) series(ctx context.Context, r Request) (Answer, error) {
	q, selectors, limit, err := a.selection(r)
	if err != nil {
		return Answer{}, err
	}
	if len(selectors) == 0 {
		return Answer{}, badData("match[]", errors.New("it is missing: it says of which series"))
	}
	var all []storage.Series
	for _, matchers := range selectors {
		found, err := q.scene.find(ctx, q.from, q.to, matchers)
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
	return limited(sets, limit)
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
func (a *API) exemplars(_ context.Context, r Request) (Answer, error) {
	if _, err := a.parser.ParseExpr(r.Form.Get("query")); err != nil {
		return Answer{}, badData("query", err)
	}
	return encoded([]string{})
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
