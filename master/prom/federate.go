package prom

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// federate is the newest sample of each series, for a Prometheus to scrape: everything of
// the clusters that `cluster` names, the summaries of all where it names none, and of
// those what `match[]` selects where it is there. It is no demand.
func (a *API) federate(ctx context.Context, r Request) (Answer, error) {
	selectors, err := a.selectorsOf(r.Form)
	if err != nil {
		return Answer{}, err
	}
	s := a.scene(r.See)
	only, err := s.federated(ctx, r.Form["cluster"])
	if err != nil {
		return Answer{}, err
	}
	if len(selectors) == 0 {
		selectors = [][]*labels.Matcher{{everything}}
		if len(only) == 0 {
			selectors = [][]*labels.Matcher{{summaries}}
		}
	}
	var all []storage.Series
	for _, matchers := range selectors {
		found, err := s.find(ctx, s.now.Add(-lookback).UnixMilli(), s.now.UnixMilli(), append(slices.Clip(matchers), only...))
		if err != nil {
			return Answer{}, failed(err)
		}
		all = append(all, found...)
	}
	sortSeries(all)
	return exposed(slices.CompactFunc(all, func(a, b storage.Series) bool { return labels.Equal(a.Labels(), b.Labels()) }), r.Accept)
}

// everything and summaries select what is told where nothing is selected.
var (
	everything = labels.MustNewMatcher(labels.MatchNotEqual, nameLabel, "")
	summaries  = labels.MustNewMatcher(labels.MatchRegexp, nameLabel, "up|rollcall_(cluster|session|report)_.*")
)

// federated selects the clusters that a request names, if it names some: an error where
// there is none of a name that the caller may see.
func (s *scene) federated(ctx context.Context, names []string) ([]*labels.Matcher, error) {
	if len(names) == 0 {
		return nil, nil
	}
	known := s.named(nil)
	visible, err := s.visible(ctx, slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(known, name) }), Summary)
	if err != nil {
		return nil, failed(err)
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		if !slices.Contains(visible, name) {
			return nil, &Error{Type: ErrorNotFound, Err: fmt.Errorf("no cluster that you may see is called %.80q", name)}
		}
		quoted[i] = regexp.QuoteMeta(name)
	}
	return []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, clusterLabel, strings.Join(quoted, "|"))}, nil
}

// exposed is an answer in a format that Prometheus scrapes. Series are by name.
func exposed(all []storage.Series, accept string) (Answer, error) {
	format := expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.DefaultAcceptedFormats()...)
	var body bytes.Buffer
	encoder := expfmt.NewEncoder(&body, format)
	for len(all) > 0 {
		name := all[0].Labels().Get(nameLabel)
		n := slices.IndexFunc(all, func(s storage.Series) bool { return s.Labels().Get(nameLabel) != name })
		if n < 0 {
			n = len(all)
		}
		if m := metricFamily(name, all[:n]); len(m.Metric) > 0 {
			if err := encoder.Encode(m); err != nil {
				return Answer{}, &Error{Type: ErrorInternal, Err: fmt.Errorf("encode %s: %w", name, err)}
			}
		}
		all = all[n:]
	}
	return Answer{Type: string(format), Body: body.Bytes()}, nil
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
