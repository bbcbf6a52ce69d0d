package prom

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"rollcall.dev/rollcall/master/samples"
)

// seriesCollector collects the series that match. It works on one family of one cluster at a time.
type seriesCollector struct {
	// matchers are those on labels other than the metric name and the cluster.
	matchers []*labels.Matcher
	from, to int64
	// base are the labels that all series of the family and cluster have.
	base    []string
	builder labels.ScratchBuilder
	series  []storage.Series
	// seen has the hashes of the labels that were passed to AddUnique since ResetUnique.
	seen map[uint64]struct{}
	// limit is the maximum number of series, limitErr the error if there are more. err, once
	// set, makes the collector ignore further series: it is limitErr or the error of ctx.
	limit    int
	limitErr error
	err      error
	ctx      context.Context
	added    int
}

// checkEvery is after how many series the collector checks whether the request was canceled, as
// each may be matched by regular expressions.
const checkEvery = 64

// start prepares the collector for a family and cluster.
func (s *seriesCollector) start(f *samples.Family, cluster string) {
	s.base = append(append(s.base[:0], nameLabel, f.Name, clusterLabel, cluster), f.Job...)
	s.ResetUnique()
}

// Add implements samples.Encoder. It adds a series if it matches.
func (s *seriesCollector) Add(of samples.Func, pairs []string) {
	if s.err != nil {
		return
	}
	if s.added++; s.added%checkEvery == 0 && s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return
	}
	for _, m := range s.matchers {
		if !m.Matches(valueOf(m.Name, pairs, s.base)) {
			return
		}
	}
	if len(s.series) >= s.limit {
		s.err = s.limitErr
		return
	}
	s.builder.Reset()
	for _, list := range [...][]string{s.base, pairs} {
		for i := 0; i < len(list); i += 2 {
			if list[i+1] != "" {
				s.builder.Add(list[i], list[i+1])
			}
		}
	}
	s.builder.Sort()
	s.series = append(s.series, &series{labels: s.builder.Labels(), samples: of, from: s.from, to: s.to})
}

// ResetUnique implements samples.Encoder.
func (s *seriesCollector) ResetUnique() {
	const small = 64 // entries that are cheap to clear
	if s.seen == nil || len(s.seen) > small {
		s.seen = map[uint64]struct{}{}
		return
	}
	clear(s.seen)
}

// AddUnique implements samples.Encoder.
func (s *seriesCollector) AddUnique(of samples.Func, pairs []string) {
	n := len(s.series)
	s.Add(of, pairs)
	if len(s.series) == n {
		return
	}
	hash := s.series[n].Labels().Hash()
	if _, taken := s.seen[hash]; taken {
		s.series = s.series[:n]
		return
	}
	s.seen[hash] = struct{}{}
}

// valueOf returns the value of a label in lists of names and values, "" if it is missing.
func valueOf(name string, lists ...[]string) string {
	for _, list := range lists {
		for i := 0; i < len(list); i += 2 {
			if list[i] == name {
				return list[i+1]
			}
		}
	}
	return ""
}
