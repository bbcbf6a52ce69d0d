package history

import "rollcall.dev/rollcall/api/state"

// Count is one number of a cluster's summary.
type Count uint8

// The counts, as in state.Summary. CPU is in millicores, memory and storage in bytes.
const (
	NodesTotal Count = iota
	NodesReady
	NodesSchedulable
	PodsTotal
	PodsPending
	PodsRunning
	PodsSucceeded
	PodsFailed
	PodsUnknown
	PodsTerminating
	ContainersTotal
	ContainersRunning
	ContainersWaiting
	ContainersTerminated
	ContainersUnknown
	// ContainersRestarts is the sum over all existing containers. It decreases when a
	// container is removed.
	ContainersRestarts
	ContainersDesired
	ContainersReady
	CapacityCPU
	CapacityMemory
	CapacityStorage
	CapacityPods
	AllocatableCPU
	AllocatableMemory
	AllocatableStorage
	AllocatablePods
	RequestedCPU
	RequestedMemory
	RequestedStorage
	LimitsCPU
	LimitsMemory
	LimitsStorage
	// UsedCPU, UsedMemory and UsedNodes have no sample while no node has usage.
	UsedCPU
	UsedMemory
	UsedNodes
	LargestFreeCPU
	LargestFreeMemory
	PortsTaken
	PortsConflicts
	ProblemCount
	// Healthy is 1 or 0.
	Healthy
	ProblemsCritical
	ProblemsWarning
	ProblemsInfo
	// NumCounts is the number of counts, which are numbered from 0.
	NumCounts
)

// Counts holds the numbers of one summary.
type Counts struct {
	values [NumCounts]int64
	// used is true if a node has usage.
	used bool
}

// Value returns one of the numbers. It is 0 if has returns false.
func (n *Counts) Value(c Count) int64 { return n.values[c] }

func (n *Counts) has(c Count) bool { return n.used || c < UsedCPU || c > UsedNodes }

// CountsOf returns the numbers of a summary.
func CountsOf(sum *state.Summary) Counts {
	n := Counts{values: [NumCounts]int64{
		NodesTotal: int64(sum.Nodes.Total), NodesReady: int64(sum.Nodes.Ready), NodesSchedulable: int64(sum.Nodes.Schedulable),
		PodsTotal: int64(sum.Pods.Total), PodsPending: int64(sum.Pods.Pending), PodsRunning: int64(sum.Pods.Running),
		PodsSucceeded: int64(sum.Pods.Succeeded), PodsFailed: int64(sum.Pods.Failed), PodsUnknown: int64(sum.Pods.Unknown),
		PodsTerminating: int64(sum.Pods.Terminating),
		ContainersTotal: int64(sum.Containers.Total), ContainersRunning: int64(sum.Containers.Running), ContainersWaiting: int64(sum.Containers.Waiting),
		ContainersTerminated: int64(sum.Containers.Terminated), ContainersUnknown: int64(sum.Containers.Unknown),
		ContainersRestarts: int64(sum.Containers.Restarts), ContainersDesired: int64(sum.Containers.Desired), ContainersReady: int64(sum.Containers.Ready),
		LargestFreeCPU: sum.Fragmentation.CPUMillis, LargestFreeMemory: sum.Fragmentation.MemoryBytes,
		PortsTaken: int64(sum.Ports.Taken), PortsConflicts: int64(sum.Ports.Conflicts), ProblemCount: int64(sum.ProblemCount),
		ProblemsCritical: int64(sum.ProblemCounts.Critical), ProblemsWarning: int64(sum.ProblemCounts.Warning), ProblemsInfo: int64(sum.ProblemCounts.Info),
	}}
	n.resources(CapacityCPU, sum.Capacity)
	n.resources(AllocatableCPU, sum.Allocatable)
	n.resources(RequestedCPU, sum.Requested)
	n.resources(LimitsCPU, sum.Limits)
	n.values[CapacityPods], n.values[AllocatablePods] = sum.Capacity.Pods, sum.Allocatable.Pods
	if sum.Healthy {
		n.values[Healthy] = 1
	}
	if u := sum.Used; u != nil {
		n.used = true
		n.values[UsedCPU], n.values[UsedMemory], n.values[UsedNodes] = u.CPUMillis, u.MemoryBytes, int64(u.Nodes)
	}
	return n
}

// resources sets CPU, memory and storage, which are consecutive from first.
func (n *Counts) resources(first Count, r state.Resources) {
	n.values[first], n.values[first+1], n.values[first+2] = r.CPUMillis, r.MemoryBytes, r.EphemeralStorageBytes
}

// cells returns the counts as a row.
func (n *Counts) cells() []cell {
	cells := make([]cell, 0, NumCounts)
	for c := range NumCounts {
		if n.has(c) {
			cells = append(cells, cell{id: uint32(c), values: [maxFields]int64{n.values[c]}})
		}
	}
	return cells
}
