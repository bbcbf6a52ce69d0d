package prom

import (
	"context"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"rollcall.dev/rollcall/api/state"
)

// family describes the series of one metric.
type family struct {
	name, help string
	kind       model.MetricType
	// level is the lowest level that a caller needs.
	level Level
	// scrapeLabels are the names and values of the labels that a scrape would add.
	scrapeLabels []string
	// collect adds the series of one cluster.
	collect func(c *cluster, out *seriesCollector)
}

// These are the labels of the scrapes that common dashboards expect.
var (
	kubeStateLabels = []string{"job", "kube-state-metrics"}
	cadvisorLabels  = []string{"job", "kubelet", "metrics_path", "/metrics/cadvisor"}
	resourceLabels  = []string{"job", "kubelet", "metrics_path", "/metrics/resource"}
	kubeletLabels   = []string{"job", "kubelet", "metrics_path", "/metrics"}
	rollcallLabels  = []string{"job", "rollcall"}
)

// families are all metrics, sorted by name.
var families = sortFamilies(nodeFamilies(), podFamilies(), containerFamilies(), usageFamilies(), clusterFamilies(), portFamilies(),
	serviceFamilies(), storageFamilies(), kubeletFamilies(), problemFamilies(), mixinFamilies())

func sortFamilies(parts ...[]family) []family {
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b family) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

// seriesCollector collects the series that match. It works on one family of one cluster at a time.
type seriesCollector struct {
	// matchers are those on labels other than the metric name and the cluster.
	matchers []*labels.Matcher
	from, to int64
	// base are the labels that all series of the family and cluster have.
	base    []string
	builder labels.ScratchBuilder
	series  []storage.Series
	// seen has the hashes of the labels that were passed to addUnique since resetUnique.
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
func (s *seriesCollector) start(f *family, c *cluster) {
	s.base = append(append(s.base[:0], nameLabel, f.name, clusterLabel, c.name), f.scrapeLabels...)
	s.resetUnique()
}

// add adds a series if it matches. pairs are label names and values; empty values are omitted.
func (s *seriesCollector) add(p pointsFunc, pairs ...string) {
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
	s.series = append(s.series, &series{labels: s.builder.Labels(), points: p, from: s.from, to: s.to})
}

// resetUnique starts a new set of label sets for addUnique, such as those of one object.
func (s *seriesCollector) resetUnique() {
	const small = 64 // entries that are cheap to clear
	if s.seen == nil || len(s.seen) > small {
		s.seen = map[uint64]struct{}{}
		return
	}
	clear(s.seen)
}

// addUnique calls add, unless a series with the same labels was added since resetUnique.
func (s *seriesCollector) addUnique(p pointsFunc, pairs ...string) {
	n := len(s.series)
	s.add(p, pairs...)
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

// addFunc adds a series of an object. Its value is constant since the object last changed.
type addFunc func(value float64, pairs ...string)

// objectSeries returns a collect function that calls f for each object of a kind. If f adds the
// same labels twice for an object, as its lists can have duplicates, the first series wins.
func objectSeries[T state.Object](kind state.Kind, f func(o T, add addFunc)) func(*cluster, *seriesCollector) {
	return objectSeriesIn(kind, func(_ *state.State, o T, add addFunc) { f(o, add) })
}

// objectSeriesIn is objectSeries for series that depend on other objects too.
func objectSeriesIn[T state.Object](kind state.Kind, f func(s *state.State, o T, add addFunc)) func(*cluster, *seriesCollector) {
	return func(c *cluster, out *seriesCollector) {
		s := c.state()
		if s == nil {
			return
		}
		for e := range s.Entries(kind) {
			constant := c.entryInterval(e).constant
			out.resetUnique()
			f(s, e.Object.(T), func(value float64, pairs ...string) { out.addUnique(constant(value), pairs...) })
		}
	}
}

// addTime adds a series with a time in Unix seconds, unless it is zero.
func addTime(add addFunc, at state.Time, pairs ...string) {
	if at != 0 {
		add(float64(at), pairs...)
	}
}

func boolValue(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// addEnum adds a series for each of values, in the label named label: 1 for the current value, 0
// for all others.
func addEnum(add addFunc, current string, values []string, label string, pairs ...string) {
	for _, value := range values {
		add(boolValue(value == current), append(slices.Clip(pairs), label, value)...)
	}
}
