package prom

import (
	"context"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"rollcall.dev/rollcall/master/samples"
)

// queryable is a storage.Queryable of what one request may see.
type queryable struct{ qc *queryContext }

// Querier implements storage.Queryable.
func (s queryable) Querier(from, to int64) (storage.Querier, error) {
	return &querier{qc: s.qc, from: from, to: to}, nil
}

type querier struct {
	qc       *queryContext
	from, to int64
}

// Select implements storage.Querier.
func (q *querier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	from, to := q.from, q.to
	if hints != nil {
		from, to = hints.Start, hints.End
	}
	found, err := q.qc.find(ctx, from, to, matchers)
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

// find returns the series that matchers select from what the caller may see.
func (qc *queryContext) find(ctx context.Context, from, to int64, matchers []*labels.Matcher) ([]storage.Series, error) {
	out := &seriesCollector{ctx: ctx, limit: qc.api.maxSeries - qc.series, limitErr: tooManySeriesError(qc.api.maxSeries), from: from, to: to, matchers: slices.DeleteFunc(slices.Clone(matchers), func(m *labels.Matcher) bool {
		return m.Name == nameLabel || m.Name == clusterLabel
	})}
	collector, visible := samples.NewCollector(out), map[Level][]string{}
	for i := range qc.api.families {
		f := &qc.api.families[i]
		if !matches(matchers, nameLabel, f.Name) {
			continue
		}
		level := levelOf(f)
		names, ok := visible[level]
		if !ok {
			var err error
			if names, err = qc.visible(ctx, matchers, level); err != nil {
				return nil, err
			}
			visible[level] = names
		}
		if err := qc.collect(ctx, f, names, out, collector); err != nil {
			return nil, err
		}
	}
	return out.series, qc.addSelected(out.series)
}

// collect adds the series of one family of some clusters to out.
func (qc *queryContext) collect(ctx context.Context, f *samples.Family, clusters []string, out *seriesCollector, collector *samples.Collector) error {
	for _, name := range clusters {
		c, err := qc.cluster(name)
		if err != nil {
			return err
		}
		if c == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		out.start(f, name)
		f.Collect(c, collector)
		switch {
		case out.err != nil:
			return out.err
		case c.StateErr() != nil:
			return &Error{Type: ErrorUnavailable, Err: c.StateErr()}
		}
	}
	return nil
}

// LabelNames implements storage.LabelQuerier.
func (q *querier) LabelNames(ctx context.Context, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	found, err := q.qc.find(ctx, q.from, q.to, matchers)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]bool{}
	for _, s := range found {
		s.Labels().Range(func(l labels.Label) { names[l.Name] = true })
	}
	return sortedKeys(names), nil, nil
}

// LabelValues implements storage.LabelQuerier. It returns clusters even if they have no series,
// so that a dashboard's variable also offers clusters that have not reported yet.
func (q *querier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, matchers ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	if only := matchOnlyNameAndCluster(matchers); only && name == clusterLabel {
		names, err := q.qc.clusters(ctx, matchers)
		return names, nil, err
	} else if only && name == nameLabel && len(matchers) == 0 {
		return q.qc.api.names(), nil, nil
	}
	found, err := q.qc.find(ctx, q.from, q.to, matchers)
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

// matchOnlyNameAndCluster reports whether all matchers are on the metric name or the cluster.
func matchOnlyNameAndCluster(matchers []*labels.Matcher) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name != nameLabel && m.Name != clusterLabel })
}

// levelOf returns the lowest level that a caller of a Family needs.
func levelOf(f *samples.Family) Level {
	if f.Scope == samples.Summary {
		return Summary
	}
	return Details
}

// clusters returns the visible clusters for which at least one selected family exists, whether
// or not they have series at present. matchers are on the metric name and the cluster only.
func (qc *queryContext) clusters(ctx context.Context, matchers []*labels.Matcher) ([]string, error) {
	level := NoAccess
	for i := range qc.api.families {
		f := &qc.api.families[i]
		if matches(matchers, nameLabel, f.Name) && (level == NoAccess || levelOf(f) < level) {
			level = levelOf(f)
		}
	}
	if level == NoAccess {
		return nil, nil
	}
	return qc.visible(ctx, matchers, level)
}

func (a *API) names() []string {
	names := make([]string, len(a.families))
	for i := range a.families {
		names[i] = a.families[i].Name
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

// seriesSet implements storage.SeriesSet.
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
