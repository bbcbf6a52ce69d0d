package heapster

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
	"rollcall.dev/rollcall/master/series"
)

// Source is the data of one cluster.
type Source struct {
	State *state.State
	// History is nil if no history is kept.
	History *history.ClusterHistory
	// ReceivedAt is when the master received the State.
	ReceivedAt time.Time
	// Since is when the session began. CPU time counts from here.
	Since time.Time
}

// Response is the response to a Query.
type Response struct {
	// Body is encoded as JSON.
	Body any
	// Warning explains an empty Body; it is empty otherwise. Heapster answered status 200
	// without points to names that it did not know.
	Warning string
}

// Execute returns the response to the query. The Source may be nil if NeedsCluster
// returns false.
func (q *Query) Execute(s *Source) Response {
	switch q.op {
	case opMetricNames:
		return q.names(s)
	case opPoints:
		return q.points(s)
	case opPodList:
		return q.podList(s)
	case opExport:
		return Response{Body: s.export()}
	case opSchema:
		return Response{Body: schema()}
	case opFreeContainers:
		return Response{Body: []string{}, Warning: "metrics.k8s.io has no containers outside of pods"}
	}
	return q.list(s)
}

// sets yields the Sets that make up an entity, without CPU time.
func (s *Source) sets(e Entity) iter.Seq[samples.Set] {
	var v *samples.Inventory
	switch {
	case e.Kind == samples.KindCluster || e.Kind == samples.KindNode:
		v = samples.InventoryOfNodes(s.State, e.Node)
	case e.Namespace != "":
		v = samples.InventoryOfPods(s.State, e.Namespace, e.Pod)
	default:
		return func(func(samples.Set) bool) {}
	}
	return v.Sets(samples.Reading{Usage: s.State.Usage, At: s.ReceivedAt})
}

// set returns the Set of an entity, without CPU time. ok is false if there is none.
func (s *Source) set(e Entity) (set samples.Set, ok bool) {
	for set := range s.sets(e) {
		if e.matches(&set) {
			return set, true
		}
	}
	return samples.Set{}, false
}

// allSets yields all Sets, with the CPU time that the history has.
func (s *Source) allSets() iter.Seq[samples.Set] {
	return samples.NewInventory(s.State).Sets(samples.Reading{Usage: s.State.Usage, At: s.ReceivedAt, Total: s.totals()})
}

// totals returns a samples.Reading.Total that looks up the newest CPU times of the history. It
// returns nil if there is no history.
func (s *Source) totals() func(*samples.Set, uint32) (int64, bool) {
	if s.History == nil {
		return nil
	}
	newest := map[series.Labels]int64{}
	for _, kind := range []state.Kind{state.KindNode, state.KindContainer} {
		for one := range s.History.Series(kind) {
			for sample := range one.Samples(history.CPUTotal, s.ReceivedAt.UnixMilli()-lookback, s.ReceivedAt.UnixMilli()) {
				newest[one.Labels] = sample.Value
				if sample.Stale {
					delete(newest, one.Labels)
				}
			}
		}
	}
	return func(s *samples.Set, _ uint32) (int64, bool) {
		total, ok := newest[series.Labels{Namespace: s.Namespace, Pod: s.Pod, Container: s.Container, Node: s.Node}]
		return total, ok
	}
}

// list returns the names of all objects of a kind.
func (q *Query) list(s *Source) Response {
	names := []string{}
	switch q.op {
	case opNodes:
		names = namesOf(s.sets(Entity{Kind: samples.KindCluster}), samples.KindNode, func(s *samples.Set) string { return s.Node })
	case opNamespaces:
		names = namesOf(s.allSets(), samples.KindNamespace, func(s *samples.Set) string { return s.Namespace })
	case opPods:
		names = namesOf(s.sets(q.entity), samples.KindPod, func(s *samples.Set) string { return s.Pod })
	case opContainers:
		names = namesOf(s.sets(q.entity), samples.KindContainer, func(s *samples.Set) string { return s.Container })
	case opKeys:
		for set := range s.allSets() {
			names = append(names, keyOf(&set))
		}
	}
	if len(names) == 0 {
		return Response{Body: names, Warning: "none found"}
	}
	return Response{Body: names}
}

func namesOf(sets iter.Seq[samples.Set], kind samples.Kind, name func(*samples.Set) string) []string {
	names := []string{}
	for set := range sets {
		if set.Kind == kind {
			names = append(names, name(&set))
		}
	}
	return names
}

// names returns the sorted names of an entity's metrics.
func (q *Query) names(s *Source) Response {
	names := []string{}
	set, ok := s.set(q.entity)
	for m := range NumMetrics {
		if _, has := m.Value(&set); has || ok && m == CPUUsage && len(s.points(q.entity, m)) > 0 {
			names = append(names, m.String())
		}
	}
	slices.Sort(names)
	if !ok {
		return Response{Body: names, Warning: q.entity.notFound()}
	}
	return Response{Body: names}
}

func (e Entity) notFound() string {
	if e.Kind == systemContainer {
		return "metrics.k8s.io has no containers outside of pods"
	}
	set := samples.Set{Kind: e.Kind, Namespace: e.Namespace, Pod: e.Pod, Container: e.Container, Node: e.Node}
	return fmt.Sprintf("%q not found, or it has no metrics", shorten(keyOf(&set)))
}

func (q *Query) points(s *Source) Response {
	result := q.result(s, q.entity)
	if len(result.Metrics) > 0 {
		return Response{Body: result}
	}
	return Response{Body: result, Warning: q.emptyReason(s)}
}

// emptyReason explains why there are no points.
func (q *Query) emptyReason(s *Source) string {
	switch {
	case q.metric == NumMetrics:
		return fmt.Sprintf("unknown metric %q; /api/v1/model/metrics and the like list the metrics", shorten(q.metricName))
	case q.labeled:
		return "no metric has labels; repeat the request without them"
	}
	if _, ok := s.set(q.entity); !ok {
		return q.entity.notFound()
	}
	return fmt.Sprintf("no points of %s in this time range", q.metric)
}

func (q *Query) podList(s *Source) Response {
	list := MetricResultList{Items: make([]MetricResult, 0, len(q.pods))}
	for _, pod := range q.pods {
		list.Items = append(list.Items, q.result(s, Entity{Kind: samples.KindPod, Namespace: q.entity.Namespace, Pod: pod}))
	}
	if q.metric == NumMetrics || q.labeled {
		return Response{Body: list, Warning: q.emptyReason(s)}
	}
	return Response{Body: list}
}

// result returns the points of an entity's metric between start and end.
func (q *Query) result(s *Source, e Entity) MetricResult {
	result := MetricResult{Metrics: []MetricPoint{}}
	if q.metric == NumMetrics || q.labeled || e.Kind == systemContainer {
		return result
	}
	for _, p := range s.points(e, q.metric) {
		at := time.UnixMilli(p.at).UTC()
		if at.Before(q.start) || !q.end.IsZero() && at.After(q.end) {
			continue
		}
		point := MetricPoint{Timestamp: at, Value: uint64(max(0, p.value))}
		if q.metric.Ratio() {
			point.FloatValue = &p.value
		}
		result.Metrics = append(result.Metrics, point)
		result.LatestTimestamp = at
	}
	return result
}
