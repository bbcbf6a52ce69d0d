package prom

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// storing is a storage.Queryable of what one request sees.
type storing struct{ scene *scene }

// Querier implements storage.Queryable.
func (s storing) Querier(from, to int64) (storage.Querier, error) {
	return &querier{scene: s.scene, from: from, to: to}, nil
}

type querier struct {
	scene    *scene
	from, to int64
}

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	found, err := q.scene.find(ctx, from, to, matchers)
	if err != nil {
		return storage.ErrSeriesSet(err)
	}
	if sorted {
		sortSeries(found)
	}
	return &seriesSet{series: found, at: -1}
}

func sortSeries(s []storage.Series) {
	slices.SortFunc(s, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
}

// find makes the series that matchers let through, of what the caller may see.
func (s *scene) find(ctx context.Context, from, to int64, matchers []*labels.Matcher) ([]storage.Series, error) {
	out := &sink{ctx: ctx, left: s.api.maxSeries - s.series, tooMany: tooManySeries(s.api.maxSeries), from: from, to: to, matchers: slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool {
		return m.Name == nameLabel || m.Name == clusterLabel
	})}
	visible := map[Level][]string{}
	for i := range families {
		f := &families[i]
		if !matches(matchers, nameLabel, f.name) {
			continue
		}
		names, ok := visible[f.level]
		if !ok {
			var err error
			if names, err = s.visible(ctx, matchers, f.level); err != nil {
				return nil, err
			}
			visible[f.level] = names
		}
		if err := s.collect(ctx, f, names, out); err != nil {
			return nil, err
		}
	}
	return out.series, s.charge(out.series)
}

// collect makes the series of one family.
func (s *scene) collect(ctx context.Context, f *family, clusters []string, out *sink) error {
	for _, name := range clusters {
		c := s.look(name)
		if c == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		out.begin(f, c)
		f.each(c, out)
		if out.err != nil {
			return out.err
		}
	}
	return nil
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	found, err := q.scene.find(ctx, q.from, q.to, matchers)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]bool{}
	for _, s := range found {
		s.Labels().Range(func(l labels.Label) { names[l.Name] = true })
	}
	return sortedKeys(names), nil, nil
}

// LabelValues implements storage.LabelQuerier. The clusters' names are told though there
// be no series of them: a dashboard's variable has to offer those too that nobody has
// asked for yet.
func (q *querier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if only := ofNamesOnly(matchers); only && name == clusterLabel {
		names, err := q.scene.clusters(ctx, matchers)
		return names, nil, err
	} else if only && name == nameLabel && len(matchers) == 0 {
		return allNames(), nil, nil
	}
	found, err := q.scene.find(ctx, q.from, q.to, matchers)
	if err != nil {
		return nil, nil, err
	}
	values := map[string]bool{}
	for _, s := range found {
		if v := s.Labels().Get(name); v != "" {
			values[strings.Clone(v)] = true
		}
	}
	return sortedKeys(values), nil, nil
}

// ofNamesOnly says that matchers speak of names and clusters only.
func ofNamesOnly(matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name != nameLabel && m.Name != clusterLabel })
}

// clusters are those that the caller may see and that have, or would have, a series.
func (s *scene) clusters(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
	level := Nothing
	for i := range families {
		if f := &families[i]; matches(matchers, nameLabel, f.name) && (level == Nothing || f.level < level) {
			level = f.level
		}
	}
	if level == Nothing {
		return nil, nil
	}
	return s.visible(ctx, matchers, level)
}

func allNames() []string {
	names := make([]string, len(families))
	for i := range families {
		names[i] = families[i].name
	}
	return names
}

// Close implements storage.LabelQuerier.
func (q *querier) Close() error { return nil }

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// seriesSet is a storage.SeriesSet.
type seriesSet struct {
	series []storage.Series
	at     int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	s.at++
	return s.at < len(s.series)
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.series[s.at] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error { return nil }

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations { return nil }
