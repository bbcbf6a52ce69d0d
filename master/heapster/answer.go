package heapster

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
)

// Source is what an answer about one cluster is made of.
type Source struct {
	State *state.State
	// Past is nil where there is no history.
	Past *history.Past
	// ReceivedAt is when the State came.
	ReceivedAt time.Time
	// Since is when the session began, and CPU time was 0.
	Since time.Time
}

// Answer is one of Heapster's.
type Answer struct {
	// Body is to be told as JSON.
	Body any
	// Warning says why there is nothing in it, in words; empty: nothing to say. Heapster
	// answered status 200 and nothing to a name that it did not know.
	Warning string
}

// Answer answers the question. The Source may be nil where NeedsCluster says so.
func (q *Query) Answer(s *Source) Answer {
	switch q.ask {
	case askNames:
		return q.names(s)
	case askPoints:
		return q.points(s)
	case askPodList:
		return q.podList(s)
	case askExport:
		return Answer{Body: s.export()}
	case askSchema:
		return Answer{Body: schema()}
	case askNothing:
		return Answer{Body: []string{}, Warning: "metrics.k8s.io tells of no containers outside of pods"}
	}
	return q.list(s)
}

// sets are those that an entity is made of, without CPU time.
func (s *Source) sets(e Entity) iter.Seq[Set] {
	return rosterOf(s.State, e).Sets(Reading{Usage: s.State.Usage, At: s.ReceivedAt})
}

// set is the Set of an entity, without CPU time; ok is false where there is none.
func (s *Source) set(e Entity) (set Set, ok bool) {
	for set := range s.sets(e) {
		if e.of(&set) {
			return set, true
		}
	}
	return Set{}, false
}

// whole are all Sets. CPU time is known as far as the history has it.
func (s *Source) whole() iter.Seq[Set] {
	return NewRoster(s.State).Sets(Reading{Usage: s.State.Usage, At: s.ReceivedAt, Total: s.totals()})
}

// totals are the newest CPU times.
func (s *Source) totals() func(*Set, uint32) (int64, bool) {
	if s.Past == nil {
		return nil
	}
	newest := map[history.Labels]int64{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for one := range s.Past.Series(kind) {
			for sample := range one.Samples(history.CPUTotal, s.ReceivedAt.UnixMilli()-lookback, s.ReceivedAt.UnixMilli()) {
				newest[one.Labels] = sample.Value
				if sample.Stale {
					delete(newest, one.Labels)
				}
			}
		}
	}
	return func(s *Set, _ uint32) (int64, bool) {
		total, ok := newest[history.Labels{Namespace: s.Namespace, Pod: s.Pod, Container: s.Container, Node: s.Node}]
		return total, ok
	}
}

// list is the names of what there is of a kind.
func (q *Query) list(s *Source) Answer {
	names := []string{}
	switch q.ask {
	case askNodes:
		names = listOf(s.sets(Entity{Kind: Cluster}), Node, func(s *Set) string { return s.Node })
	case askNamespaces:
		names = listOf(s.whole(), Namespace, func(s *Set) string { return s.Namespace })
	case askPods:
		names = listOf(s.sets(q.of), Pod, func(s *Set) string { return s.Pod })
	case askContainers:
		names = listOf(s.sets(q.of), Container, func(s *Set) string { return s.Container })
	case askKeys:
		for set := range s.whole() {
			names = append(names, set.key())
		}
	}
	if len(names) == 0 {
		return Answer{Body: names, Warning: "there is none, or nothing of this name"}
	}
	return Answer{Body: names}
}

func listOf(sets iter.Seq[Set], kind Kind, name func(*Set) string) []string {
	names := []string{}
	for set := range sets {
		if set.Kind == kind {
			names = append(names, name(&set))
		}
	}
	return names
}

// names are the metrics of an entity, sorted.
func (q *Query) names(s *Source) Answer {
	names := []string{}
	set, ok := s.set(q.of)
	for m := range NumMetrics {
		if _, has := set.Value(m); has || ok && m == CPUUsage && len(s.points(q.of, m)) > 0 {
			names = append(names, m.String())
		}
	}
	slices.Sort(names)
	if !ok {
		return Answer{Body: names, Warning: q.of.unknown()}
	}
	return Answer{Body: names}
}

func (e Entity) unknown() string {
	if e.Kind == systemContainer {
		return "metrics.k8s.io tells of no containers outside of pods"
	}
	set := Set{Kind: e.Kind, Namespace: e.Namespace, Pod: e.Pod, Container: e.Container, Node: e.Node}
	return fmt.Sprintf("there is no %q that has metrics", shorten(set.key()))
}

func (q *Query) points(s *Source) Answer {
	result := q.result(s, q.of)
	if len(result.Metrics) > 0 {
		return Answer{Body: result}
	}
	return Answer{Body: result, Warning: q.nothing(s)}
}

// nothing says why there are no points.
func (q *Query) nothing(s *Source) string {
	switch {
	case q.metric == NumMetrics:
		return fmt.Sprintf("no metric is called %q here; /api/v1/model/metrics and its like list those there are", shorten(q.metricName))
	case q.labelled:
		return "no metric here has labels; ask without them"
	}
	if _, ok := s.set(q.of); !ok {
		return q.of.unknown()
	}
	return fmt.Sprintf("there is no %s in this time", q.metric)
}

func (q *Query) podList(s *Source) Answer {
	list := MetricResultList{Items: make([]MetricResult, 0, len(q.pods))}
	for _, pod := range q.pods {
		list.Items = append(list.Items, q.result(s, Entity{Kind: Pod, Namespace: q.of.Namespace, Pod: pod}))
	}
	if q.metric == NumMetrics || q.labelled {
		return Answer{Body: list, Warning: q.nothing(s)}
	}
	return Answer{Body: list}
}

// result is the metric's points of an entity, in the time that is asked for.
func (q *Query) result(s *Source, e Entity) MetricResult {
	result := MetricResult{Metrics: []MetricPoint{}}
	if q.metric == NumMetrics || q.labelled || e.Kind == systemContainer {
		return result
	}
	for _, p := range s.points(e, q.metric) {
		at := time.UnixMilli(p.at).UTC()
		if at.Before(q.start) || !q.end.IsZero() && at.After(q.end) {
			continue
		}
		point := MetricPoint{Timestamp: at, Value: uint64(max(0, p.value))}
		if q.metric.Share() {
			point.FloatValue = &p.value
		}
		result.Metrics = append(result.Metrics, point)
		result.LatestTimestamp = at
	}
	return result
}
