package heapster

import (
	"rollcall.dev/rollcall/master/history"
)

// point is a value at an instant in Unix milliseconds.
type point struct {
	at    int64
	value float64
}

// points are all that is known of an entity's metric, by ascending time.
func (s *Source) points(e Entity, m Metric) []point {
	switch m {
	case CPUUsageRate:
		return scaled(s.used(e, history.CPU), 1)
	case MemoryUsage, MemoryWorkingSet:
		return scaled(s.used(e, history.Memory), 1)
	case CPUUsage:
		if e.Kind == Namespace || e.Kind == Cluster {
			return nil
		}
		return scaled(s.used(e, history.CPUTotal), nanosPerMilliSecond)
	case CPUNodeUtilization:
		return s.utilization(e, history.CPU, CPUNodeAllocatable)
	case MemoryNodeUtilization:
		return s.utilization(e, history.Memory, MemoryNodeAllocatable)
	case Uptime:
		return s.uptime(e)
	}
	return s.claimed(e, m)
}

// used is what an entity used: a node's or container's own samples, and sums of them
// for all that is larger.
func (s *Source) used(e Entity, m history.Metric) []history.Sample {
	tracks := s.tracks(e, m)
	if e.Kind == Node || e.Kind == Container {
		return line(tracks)
	}
	return sumOf(tracks)
}

func scaled(samples []history.Sample, by float64) []point {
	points := make([]point, 0, len(samples))
	for _, s := range samples {
		points = append(points, point{s.Time, float64(s.Value) * by})
	}
	return points
}

// utilization is what a node used, as a share of what is allocatable now.
func (s *Source) utilization(e Entity, m history.Metric, of Metric) []point {
	set, ok := s.set(e)
	if whole, has := set.Value(of); ok && has && whole != 0 {
		return scaled(s.used(e, m), 1/whole)
	}
	return nil
}

// uptime is that of a container at each of its samples.
func (s *Source) uptime(e Entity) []point {
	set, ok := s.set(e)
	if !ok || set.Started == 0 {
		return nil
	}
	var points []point
	for _, sample := range s.used(e, history.CPU) {
		if sample.Time >= set.Started {
			points = append(points, point{sample.Time, float64(sample.Time - set.Started)})
		}
	}
	return points
}

// countOf are the metrics of a cluster of which the history has more than the present.
var countOf = map[Metric]history.Count{
	CPURequest: history.RequestedCPU, MemoryRequest: history.RequestedMemory,
	CPULimit: history.LimitsCPU, MemoryLimit: history.LimitsMemory,
}

// claimed is what the State alone tells of, and for a cluster what the history has
// counted.
func (s *Source) claimed(e Entity, m Metric) []point {
	var points []point
	count, counted := countOf[m]
	if e.Kind == Cluster && counted && s.Past != nil {
		for sample := range s.Past.Count(count, 0, s.ReceivedAt.UnixMilli()) {
			if !sample.Stale {
				points = append(points, point{sample.Time, float64(sample.Value)})
			}
		}
	}
	set, ok := s.set(e)
	if v, has := set.Value(m); ok && has && (len(points) == 0 || points[len(points)-1].at < set.At) {
		points = append(points, point{set.At, v})
	}
	return points
}
