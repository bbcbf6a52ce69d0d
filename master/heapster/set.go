package heapster

import (
	"math/bits"

	"rollcall.dev/rollcall/api/state"
)

// Kind is the kind of object that a MetricSet describes.
type Kind uint8

// The kinds of Heapster's metric sets.
const (
	Container Kind = iota
	Pod
	Namespace
	Node
	Cluster
	// systemContainer is a container outside of pods. There is no MetricSet of this kind.
	systemContainer
)

// String returns the value of Heapster's label `type`.
func (k Kind) String() string {
	return [...]string{"pod_container", "pod", "ns", "node", "cluster", "sys_container"}[k]
}

// MetricSet is the metrics of one object at one time. Namespace, Pod, Container and Node
// are set as in Entity; pods and containers have Node too.
type MetricSet struct {
	Kind                                  Kind
	Namespace, Pod, Container, Node, Host string
	// Image is set for a container. Init is true for an init container or a sidecar.
	Image string
	Init  bool
	// At is the time of the newest sample in the set, or of the report if it has no sample,
	// in Unix milliseconds.
	At int64
	// Started is when a container started, in Unix milliseconds; 0 if unknown.
	Started int64

	values [NumMetrics]float64
	has    uint32
}

// Value returns a metric of the set. ok is false if the set does not have it.
func (s *MetricSet) Value(m Metric) (v float64, ok bool) {
	return s.values[m], s.has>>m&1 == 1
}

// Len returns the number of metrics in the set.
func (s *MetricSet) Len() int { return bits.OnesCount32(s.has) }

func (s *MetricSet) put(m Metric, v float64) {
	s.values[m] = v
	s.has |= 1 << m
}

// The metrics that are summed from containers to pods, and from pods to namespaces and
// from nodes to the cluster. The requests of a pod are not the sum of its containers',
// since the scheduler counts overhead and init containers too. CPU time is not summed over
// pods: as pods come and go, the sum would not be a counter.
var (
	summedOverContainers = []Metric{CPUUsage, CPUUsageRate, MemoryUsage, MemoryWorkingSet}
	summedOverPods       = []Metric{CPUUsageRate, MemoryUsage, MemoryWorkingSet, CPURequest, CPULimit, MemoryRequest, MemoryLimit}
)

// add adds the given metrics of part to s.
func (s *MetricSet) add(part *MetricSet, metrics []Metric) {
	for _, m := range metrics {
		if v, ok := part.Value(m); ok {
			s.put(m, s.values[m]+v)
		}
	}
	s.At = max(s.At, part.At)
}

// putSample sets the usage from a sample, if it is not nil.
func (s *MetricSet) putSample(u *state.Used, at int64) {
	if u == nil {
		return
	}
	s.At = min(int64(u.SampledAt)*1000, at)
	s.put(CPUUsageRate, float64(u.CPUMillis))
	s.put(MemoryUsage, float64(u.MemoryBytes))
	s.put(MemoryWorkingSet, float64(u.MemoryBytes))
}

func (s *MetricSet) putRequirements(c requirements) {
	s.put(CPURequest, float64(c.requestCPU))
	s.put(MemoryRequest, float64(c.requestMemory))
	s.put(CPULimit, float64(c.limitCPU))
	s.put(MemoryLimit, float64(c.limitMemory))
}

// putNode sets the metrics of a node. It must be called after putSample and
// putRequirements.
func (s *MetricSet) putNode(n *nodeRow) {
	s.put(CPUNodeCapacity, float64(n.capacityCPU))
	s.put(MemoryNodeCapacity, float64(n.capacityMemory))
	s.put(CPUNodeAllocatable, float64(n.allocatableCPU))
	s.put(MemoryNodeAllocatable, float64(n.allocatableMemory))
	s.putRatio(CPUNodeUtilization, CPUUsageRate, CPUNodeAllocatable)
	s.putRatio(MemoryNodeUtilization, MemoryUsage, MemoryNodeAllocatable)
	s.putRatio(CPUNodeReservation, CPURequest, CPUNodeAllocatable)
	s.putRatio(MemoryNodeReservation, MemoryRequest, MemoryNodeAllocatable)
}

func (s *MetricSet) putRatio(m, part, total Metric) {
	if v, ok := s.Value(part); ok && s.values[total] != 0 {
		s.put(m, v/s.values[total])
	}
}
