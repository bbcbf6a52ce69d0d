package prom

import (
	"context"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"rollcall.dev/rollcall/api/state"
)

// family is all series of one name.
type family struct {
	name, help string
	kind       model.MetricType
	// level is what a caller must be allowed to see.
	level Level
	// scraped are the labels that a scrape would have given.
	scraped []string
	// each makes the series of one cluster.
	each func(c *cluster, out *sink)
}

// Where people's dashboards expect series to come from.
var (
	kubeState = []string{"job", "kube-state-metrics"}
	cadvisor  = []string{"job", "kubelet", "metrics_path", "/metrics/cadvisor"}
	resources = []string{"job", "kubelet", "metrics_path", "/metrics/resource"}
	kubelet   = []string{"job", "kubelet", "metrics_path", "/metrics"}
	ours      = []string{"job", "rollcall"}
)

// families are all, by name.
var families = sorted(nodeFamilies(), podFamilies(), containerFamilies(), usageFamilies(), clusterFamilies(), portFamilies(),
	serviceFamilies(), storageFamilies(), kubeletFamilies(), problemFamilies(), mixinFamilies())

func sorted(parts ...[]family) []family {
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b family) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

// sink takes the series of one family and cluster that matchers let through.
type sink struct {
	// matchers are those of labels other than the name and the cluster.
	matchers []*labels.Matcher
	from, to int64
	// base are the labels that all have.
	base    []string
	builder labels.ScratchBuilder
	series  []storage.Series
	// once has the hashes of the labels that addOnce was given since distinct.
	once map[uint64]struct{}
	// left is how many series there may be more, err why no more are taken: tooMany, or why
	// ctx has ended, which is looked at now and then.
	left    int
	tooMany error
	err     error
	ctx     context.Context
	added   int
}

// checkEvery is after how many series it is looked at whether the request has ended. Each of
// them may be matched by regular expressions.
const checkEvery = 64

// begin is called before the first series of a family and cluster.
func (s *sink) begin(f *family, c *cluster) {
	s.base = append(append(s.base[:0], nameLabel, f.name, clusterLabel, c.name), f.scraped...)
	s.distinct()
}

// add takes a series; pairs are names and values of its labels. An empty value is none.
func (s *sink) add(p points, pairs ...string) {
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
	if len(s.series) >= s.left {
		s.err = s.tooMany
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

// distinct begins a list of series, such as those of one object, among which addOnce
// takes no labels twice.
func (s *sink) distinct() {
	const small = 64 // what is cheap to clear
	if s.once == nil || len(s.once) > small {
		s.once = map[uint64]struct{}{}
		return
	}
	clear(s.once)
}

// addOnce is add, unless a series of the same labels was taken since distinct: the first
// counts.
func (s *sink) addOnce(p points, pairs ...string) {
	n := len(s.series)
	s.add(p, pairs...)
	if len(s.series) == n {
		return
	}
	hash := s.series[n].Labels().Hash()
	if _, taken := s.once[hash]; taken {
		s.series = s.series[:n]
		return
	}
	s.once[hash] = struct{}{}
}

// valueOf is a label's value, empty where there is none.
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

// adder takes a series of an object, for the time in which it has been as it is.
type adder func(value float64, pairs ...string)

// objects makes series of all objects of a kind. Lists in an object may lead to the same
// labels twice: the first series counts.
func objects[T state.Object](kind state.Kind, f func(o T, add adder)) func(*cluster, *sink) {
	return objectsIn(kind, func(_ *state.State, o T, add adder) { f(o, add) })
}

// objectsIn is objects, for series that depend on other objects too.
func objectsIn[T state.Object](kind state.Kind, f func(s *state.State, o T, add adder)) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		for e := range s.Entries(kind) {
			holds := c.asItIs(e).holds
			out.distinct()
			f(s, e.Object.(T), func(value float64, pairs ...string) { out.addOnce(holds(value), pairs...) })
		}
	}
}

// created adds when an object was made.
func created(add adder, at state.Time, pairs ...string) {
	if at != 0 {
		add(float64(at), pairs...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// one adds the label `of` with each of some words: 1 with the word that it is, 0 with all
// others.
func one(add adder, is string, words []string, of string, pairs ...string) {
	for _, word := range words {
		add(truth(word == is), append(slices.Clip(pairs), of, word)...)
	}
}
