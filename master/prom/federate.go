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
)

// federate is the newest sample of each series, for a Prometheus to scrape: everything of
// the clusters that `cluster` names, the summaries of all where it names none, and of
// those what `match[]` selects where it is there. It is no demand.
func (a *API) federate(ctx context.Context, s *scene, r Request) (answerer, error) {
	selectors, err := a.selectorsOf(ctx, r.Form)
	if err != nil {
		return nil, err
	}
	only, err := s.federated(ctx, r.Form["cluster"])
	if err != nil {
		return nil, err
	}
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{{everything}}
		if len(only) == 0 {
			selectors = [][]*labels.Matcher{{summaries}}
		}
	}
	for i, matchers := range selectors {
		selectors[i] = append(slices.Clip(only), matchers...)
	}
	if err := s.decide(ctx, selectors...); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Answer, error) {
		var all []storage.Series
		for _, matchers := range selectors {
			found, err := s.find(ctx, s.now.Add(-lookback).UnixMilli(), s.now.UnixMilli(), matchers)
			if err != nil {
				return Answer{}, failed(err)
			}
			all = append(all, found...)
		}
		a.metrics.cleaned.Add(float64(cleaned(all)))
		sortSeries(all)
		return exposed(slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) }), r.Accept)
	}, nil
}

// cleaned replaces what is no UTF-8 in labels: a Prometheus would refuse all that it scrapes for
// it. It returns of how many series.
func cleaned(all []storage.Series) (n int) {
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

// everything and summaries select what is told where nothing is selected.
var (
	everything = labels.MustNewMatcher(labels.MatchNotEqual, nameLabel, "")
	summaries  = labels.MustNewMatcher(labels.MatchRegexp, nameLabel, "up|rollcall_problem|rollcall_(cluster|session|report)_.*")
)

// federated selects the clusters that a request names, if it names some: an error where
// there is none of a name that the caller may see. All names are asked for, so that it cannot
// be told which of them there are.
func (s *scene) federated(ctx context.Context, names []string) ([]*labels.Matcher, error) {
	if len(names) == 0 {
		return nil, nil
	}
	if len(names) > maxNamed {
		return nil, badData("cluster", fmt.Errorf("%d are named, and may be %d: ask in several requests", len(names), maxNamed))
	}
	named := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
	if err := s.ask(ctx, named, true); err != nil {
		return nil, failed(err)
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		if s.level(name) < Summary || !s.exists(name) {
			return nil, &Error{Type: ErrorNotFound, Err: fmt.Errorf("no cluster that you may see is called %.80q", name)}
		}
		quoted[i] = regexp.QuoteMeta(name)
	}
	return []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, clusterLabel, strings.Join(quoted, "|"))}, nil
}

// exposed is an answer in a format that Prometheus scrapes. Series are by name.
func exposed(all []storage.Series, accept string) (Answer, error) {
	format := expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.DefaultAcceptedFormats()...)
	return answerOf(string(format), func(to io.Writer) error {
		w := bufio.NewWriterSize(to, chunk)
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
	i, _ := slices.BinarySearchFunc(families, name, func(f family, name string) int {
		switch {
		case f.name < name:
			return -1
		case f.name > name:
			return 1
		}
		return 0
	})
	f := &families[i]
	m := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: dto.MetricType_GAUGE.Enum()}
	if f.kind == model.MetricTypeCounter {
		m.Type = dto.MetricType_COUNTER.Enum()
	}
	for _, s := range all {
		if p, ok := s.(*series).newest(); ok {
			m.Metric = append(m.Metric, metric(s.Labels(), p, f.kind))
		}
	}
	return m
}

func metric(l labels.Labels, p point, kind model.MetricType) *dto.Metric {
	m := &dto.Metric{TimestampMs: &p.t}
	l.Range(func(l labels.Label) {
		if l.Name != nameLabel {
			m.Label = append(m.Label, &dto.LabelPair{Name: &l.Name, Value: &l.Value})
		}
	})
	if kind == model.MetricTypeCounter {
		m.Counter = &dto.Counter{Value: &p.v}
		return m
	}
	m.Gauge = &dto.Gauge{Value: &p.v}
	return m
}
