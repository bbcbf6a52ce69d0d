package heapster

import (
	"rollcall.dev/rollcall/master/history"
	"rollcall.dev/rollcall/master/samples"
)

// point is a value at an instant in Unix milliseconds.
type point struct {
	at    int64
	value float64
}

// points returns all known points of an entity's metric, by ascending time.
func (s *Source) points(e Entity, m Metric) []point {
	switch m {
	case CPUUsageRate:
		return scaled(s.usage(e, history.CPU), 1)
	case MemoryUsage, MemoryWorkingSet:
		return scaled(s.usage(e, history.Memory), 1)
	case CPUUsage:
		if e.Kind == samples.KindNamespace || e.Kind == samples.KindCluster {
			return nil
		}
		return scaled(s.usage(e, history.CPUTotal), nanosPerMilliSecond)
	case CPUNodeUtilization:
		return s.utilization(e, history.CPU, samples.CPUAllocatable)
	case MemoryNodeUtilization:
		return s.utilization(e, history.Memory, samples.MemoryAllocatable)
	case Uptime:
		return s.uptime(e)
	}
	return s.resources(e, m)
}

// usage returns what an entity used: the samples of a node or container, or the sum over
// the nodes or containers of a larger entity.
func (s *Source) usage(e Entity, m history.Metric) []history.Sample {
	all := s.seriesOf(e, m)
	if e.Kind == samples.KindNode || e.Kind == samples.KindContainer {
		return merge(all)
	}
	return sumOf(all)
}

func scaled(samples []history.Sample, by float64) []point {
	points := make([]point, 0, len(samples))
	for _, s := range samples {
		points = append(points, point{s.Time, float64(s.Value) * by})
	}
	return points
}

// utilization returns what a node used, divided by what is allocatable now.
func (s *Source) utilization(e Entity, m history.Metric, total samples.Metric) []point {
	set, ok := s.set(e)
	if allocatable, has := set.Value(total); ok && has && allocatable != 0 {
		return scaled(s.usage(e, m), 1/allocatable)
	}
	return nil
}

// uptime returns the uptime of a container at each of its samples.
func (s *Source) uptime(e Entity) []point {
	set, ok := s.set(e)
	if !ok || set.Started == 0 {
		return nil
	}
	var points []point
	for _, sample := range s.usage(e, history.CPU) {
		if sample.Time >= set.Started {
			points = append(points, point{sample.Time, float64(sample.Time - set.Started)})
		}
	}
	return points
}

// countOf maps the metrics of a cluster that the history keeps.
var countOf = map[Metric]history.Count{
	CPURequest: history.RequestedCPU, MemoryRequest: history.RequestedMemory,
	CPULimit: history.LimitsCPU, MemoryLimit: history.LimitsMemory,
}

// resources returns a metric that only the State has, as one point, preceded by the points
// of the history where e is the cluster.
func (s *Source) resources(e Entity, m Metric) []point {
	var points []point
	count, counted := countOf[m]
	if e.Kind == samples.KindCluster && counted && s.History != nil {
		for sample := range s.History.Count(count, 0, s.ReceivedAt.UnixMilli()) {
			if !sample.Stale {
				points = append(points, point{sample.Time, float64(sample.Value)})
			}
		}
	}
	set, ok := s.set(e)
	if v, has := m.Value(&set); ok && has && (len(points) == 0 || points[len(points)-1].at < set.At) {
		points = append(points, point{set.At, v})
	}
	return points
}
