package prom

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"rollcall.dev/rollcall/master/samples"
)

// federate prepares the latest sample of each series, for a Prometheus to scrape. By default these
// are the summary series of all clusters; with the parameter cluster, all series of the named
// clusters; and with match[], only those that match. It does not demand reports.
func (a *API) federate(ctx context.Context, qc *queryContext, r Request) (evalFunc, error) {
	selectors, err := a.parseSelectors(ctx, r.Form)
	if err != nil {
		return nil, err
	}
	only, err := qc.clusterMatchers(ctx, r.Form["cluster"])
	if err != nil {
		return nil, err
	}
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{{matchAll}}
		if len(only) == 0 {
			selectors = [][]*labels.Matcher{{matchSummaries}}
		}
	}
	for i, matchers := range selectors {
		selectors[i] = append(slices.Clip(only), matchers...)
	}
	if err := qc.authorizeSelectors(ctx, selectors...); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Response, error) {
		var all []storage.Series
		for _, matchers := range selectors {
			found, err := qc.find(ctx, qc.now.Add(-lookback).UnixMilli(), qc.now.UnixMilli(), matchers)
			if err != nil {
				return Response{}, toAPIError(err)
			}
			all = append(all, found...)
		}
		a.metrics.invalidUTF8.Add(float64(replaceInvalidUTF8(all)))
		sortSeries(all)
		return exposition(slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) }), r.Accept)
	}, nil
}

// replaceInvalidUTF8 replaces invalid UTF-8 in label values, as Prometheus would otherwise reject
// the whole scrape. It returns the number of series it changed.
func replaceInvalidUTF8(all []storage.Series) (n int) {
	for i, one := range all {
		valid := true
		one.Labels().Range(func(l labels.Label) { valid = valid && utf8.ValidString(l.Value) })
		if valid {
			continue
		}
		n++
		b := labels.NewBuilder(one.Labels())
		one.Labels().Range(func(l labels.Label) { b.Set(l.Name, strings.ToValidUTF8(l.Value, string(utf8.RuneError))) })
		clean := *one.(*series)
		clean.labels = b.Labels()
		all[i] = &clean
	}
	return n
}

// These matchers are the default selectors, with and without the parameter cluster.
var (
	matchAll       = labels.MustNewMatcher(labels.MatchNotEqual, nameLabel, "")
	matchSummaries = labels.MustNewMatcher(labels.MatchRegexp, nameLabel, "up|rollcall_problem|rollcall_(cluster|session|report)_.*")
)

// clusterMatchers returns a matcher for the clusters that a request names, none if it names none.
// It returns a not-found error if the caller may not see one of them. It looks up all names, so
// that the error does not reveal which of them exist.
func (qc *queryContext) clusterMatchers(ctx context.Context, names []string) ([]*labels.Matcher, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if len(names) > maxNamed {
		return nil, badData("cluster", fmt.Errorf("got %d clusters, want at most %d; split the request", len(names), maxNamed))
	}
	named := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	if err := qc.authorize(ctx, named, true); err != nil {
		return nil, toAPIError(err)
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		if qc.level(name) < Summary || !qc.exists(name) {
			return nil, &Error{Type: ErrorNotFound, Err: fmt.Errorf("cluster %.80q not found, or you are not allowed to see it", name)}
		}
		quoted[i] = regexp.QuoteMeta(name)
	}
	return []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, clusterLabel, strings.Join(quoted, "|"))}, nil
}

// exposition returns a response in a format that Prometheus scrapes. The series have to be sorted
// by metric name.
func exposition(all []storage.Series, accept string) (Response, error) {
	format := expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.DefaultAcceptedFormats()...)
	return newResponse(string(format), func(to io.Writer) error {
		w := bufio.NewWriterSize(to, flushSize)
		encoder, left := expfmt.NewEncoder(w, format), all
		for len(left) > 0 {
			name := left[0].Labels().Get(nameLabel)
			n := slices.IndexFunc(left, func(s storage.Series) bool { return s.Labels().Get(nameLabel) != name })
			if n < 0 {
				n = len(left)
			}
			if m := metricFamily(name, left[:n]); len(m.Metric) > 0 {
				if err := encoder.Encode(m); err != nil {
					return fmt.Errorf("encode %s: %w", name, err)
				}
			}
			left = left[n:]
		}
		return w.Flush()
	})
}

func metricFamily(name string, all []storage.Series) *dto.MetricFamily {
	f := samples.FamilyOf(name)
	m := &dto.MetricFamily{Name: &f.Name, Help: &f.Help, Type: dto.MetricType_GAUGE.Enum()}
	if f.Type == model.MetricTypeCounter {
		m.Type = dto.MetricType_COUNTER.Enum()
	}
	for _, s := range all {
		if p, ok := s.(*series).newest(); ok {
			m.Metric = append(m.Metric, metric(s.Labels(), p, f.Type))
		}
	}
	return m
}

func metric(l labels.Labels, p samples.Sample, kind model.MetricType) *dto.Metric {
	m := &dto.Metric{TimestampMs: &p.Time}
	l.Range(func(l labels.Label) {
		if l.Name != nameLabel {
			m.Label = append(m.Label, &dto.LabelPair{Name: &l.Name, Value: &l.Value})
		}
	})
	if kind == model.MetricTypeCounter {
		m.Counter = &dto.Counter{Value: &p.Value}
		return m
	}
	m.Gauge = &dto.Gauge{Value: &p.Value}
	return m
}
