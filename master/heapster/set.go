package heapster

import (
	"math/bits"

	"rollcall.dev/rollcall/api/state"
)

// Kind is what a Set is of.
type Kind uint8

// The kinds of Heapster's metric sets. It had system containers besides.
const (
	Container Kind = iota
	Pod
	Namespace
	Node
	Cluster
	// systemContainer is what Heapster knew outside of pods; there is no Set of one.
	systemContainer
)

// String is Heapster's label `type`.
func (k Kind) String() string {
	return [...]string{"pod_container", "pod", "ns", "node", "cluster", "sys_container"}[k]
}

// Set is all metrics of one thing at one time. Which fields are set is as in Entity;
// Node is set of pods and containers too.
type Set struct {
	Kind                                  Kind
	Namespace, Pod, Container, Node, Host string
	// Image is a container's; Init says that it is an init container, or a sidecar, which
	// is one that stays.
	Image string
	Init  bool
	// At is the time of the newest sample in it, in Unix milliseconds; where there is
	// none, of the report.
	At int64
	// Started is when a container did, in Unix milliseconds; 0: it is not known.
	Started int64

	values [NumMetrics]float64
	has    uint32
}

// Value is a metric of the set; ok is false where it has none.
func (s *Set) Value(m Metric) (v float64, ok bool) {
	return s.values[m], s.has>>m&1 == 1
}

// Len is how many metrics the set has.
func (s *Set) Len() int { return bits.OnesCount32(s.has) }

func (s *Set) put(m Metric, v float64) {
	s.values[m] = v
	s.has |= 1 << m
}

// What makes up the next larger thing. A pod's requests are its own, since the scheduler
// counts more than its containers; and a sum of CPU time over things that come and go is
// no counter.
var (
	ofContainers = []Metric{CPUUsage, CPUUsageRate, MemoryUsage, MemoryWorkingSet}
	ofPods       = []Metric{CPUUsageRate, MemoryUsage, MemoryWorkingSet, CPURequest, CPULimit, MemoryRequest, MemoryLimit}
)

// add adds some metrics of a part of it.
func (s *Set) add(part *Set, metrics []Metric) {
	for _, m := range metrics {
		if v, ok := part.Value(m); ok {
			s.put(m, s.values[m]+v)
		}
	}
	s.At = max(s.At, part.At)
}

// use takes in a sample; nil is none.
func (s *Set) use(u *state.Used, at int64) {
	if u == nil {
		return
	}
	s.At = min(int64(u.SampledAt)*1000, at)
	s.put(CPUUsageRate, float64(u.CPUMillis))
	s.put(MemoryUsage, float64(u.MemoryBytes))
	s.put(MemoryWorkingSet, float64(u.MemoryBytes))
}

func (s *Set) claim(c claims) {
	s.put(CPURequest, float64(c.requestCPU))
	s.put(MemoryRequest, float64(c.requestMemory))
	s.put(CPULimit, float64(c.limitCPU))
	s.put(MemoryLimit, float64(c.limitMemory))
}

// have takes in what a node has, after what it uses and what is requested of it.
func (s *Set) have(n *nodeRow) {
	s.put(CPUNodeCapacity, float64(n.capacityCPU))
	s.put(MemoryNodeCapacity, float64(n.capacityMemory))
	s.put(CPUNodeAllocatable, float64(n.roomCPU))
	s.put(MemoryNodeAllocatable, float64(n.roomMem))
	s.share(CPUNodeUtilization, CPUUsageRate, CPUNodeAllocatable)
	s.share(MemoryNodeUtilization, MemoryUsage, MemoryNodeAllocatable)
	s.share(CPUNodeReservation, CPURequest, CPUNodeAllocatable)
	s.share(MemoryNodeReservation, MemoryRequest, MemoryNodeAllocatable)
}

func (s *Set) share(m, part, whole Metric) {
	if v, ok := s.Value(part); ok && s.values[whole] != 0 {
		s.put(m, v/s.values[whole])
	}
}
