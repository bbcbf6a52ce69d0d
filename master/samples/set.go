package samples

import (
	"math/bits"

	"rollcall.dev/rollcall/api/state"
)

// Kind is the kind of object that a Set describes.
type Kind uint8

// The kinds of sets.
const (
	KindContainer Kind = iota
	KindPod
	KindNamespace
	KindNode
	KindCluster
)

// Metric is a metric of a Set.
type Metric uint8

// The metrics. CPU is in millicores, memory in bytes.
const (
	// CPUTime is the CPU time since the session began, in millicore-seconds.
	CPUTime Metric = iota
	CPU
	Memory
	CPURequest
	CPULimit
	MemoryRequest
	MemoryLimit
	CPUCapacity
	MemoryCapacity
	CPUAllocatable
	MemoryAllocatable
	// numMetrics is the number of metrics.
	numMetrics
)

// Set is the metrics of one object at one time. A namespace has Namespace set, a pod Namespace, Pod and Node, a container
// also Container, and a node Node.
type Set struct {
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

	values [numMetrics]float64
	has    uint16
}

// Value returns a metric of the set. ok is false if the set does not have it.
func (s *Set) Value(m Metric) (v float64, ok bool) {
	return s.values[m], s.has>>m&1 == 1
}

// Len returns the number of metrics in the set.
func (s *Set) Len() int { return bits.OnesCount16(s.has) }

func (s *Set) put(m Metric, v float64) {
	s.values[m] = v
	s.has |= 1 << m
}

// The metrics that are summed from containers to pods, and from pods to namespaces and
// from nodes to the cluster. The requests of a pod are not the sum of its containers',
// since the scheduler counts overhead and init containers too. CPU time is not summed over
// pods: as pods come and go, the sum would not be a counter.
var (
	summedOverContainers = []Metric{CPUTime, CPU, Memory}
	summedOverPods       = []Metric{CPU, Memory, CPURequest, CPULimit, MemoryRequest, MemoryLimit}
)

// add adds the given metrics of part to s.
func (s *Set) add(part *Set, metrics []Metric) {
	for _, m := range metrics {
		if v, ok := part.Value(m); ok {
			s.put(m, s.values[m]+v)
		}
	}
	s.At = max(s.At, part.At)
}

// putSample sets the usage from a sample, if it is not nil.
func (s *Set) putSample(u *state.Used, at int64) {
	if u == nil {
		return
	}
	s.At = min(int64(u.SampledAt)*1000, at)
	s.put(CPU, float64(u.CPUMillis))
	s.put(Memory, float64(u.MemoryBytes))
}

func (s *Set) putRequirements(c requirements) {
	s.put(CPURequest, float64(c.requestCPU))
	s.put(MemoryRequest, float64(c.requestMemory))
	s.put(CPULimit, float64(c.limitCPU))
	s.put(MemoryLimit, float64(c.limitMemory))
}

// putNode sets the metrics that only a node has.
func (s *Set) putNode(n *nodeRow) {
	s.put(CPUCapacity, float64(n.capacityCPU))
	s.put(MemoryCapacity, float64(n.capacityMemory))
	s.put(CPUAllocatable, float64(n.allocatableCPU))
	s.put(MemoryAllocatable, float64(n.allocatableMemory))
}
