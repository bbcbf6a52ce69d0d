package state

import (
	"iter"
	"time"
)

// Summary has the counts, sums and problems of a cluster.
type Summary struct {
	Nodes      NodeCounts      `json:"nodes"`
	Pods       PodCounts       `json:"pods"`
	Containers ContainerCounts `json:"containers"`

	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
	Requested   Resources `json:"requested"`
	Limits      Resources `json:"limits"`
	// Used is absent if no node has a usage sample.
	Used *UsedSum `json:"used,omitempty"`
	// Fragmentation has the largest free amount of each resource on any ready and schedulable
	// node. A sum over nodes would hide that nothing fits.
	Fragmentation FreeResources `json:"fragmentation"`
	Ports         PortCounts    `json:"ports"`

	// Healthy is false if a critical problem that is not muted is older than its threshold.
	Healthy bool `json:"healthy"`
	// Problems has the most severe problems, at most MaxProblems. More counts those that are not
	// listed. ProblemCounts counts all problems that are not muted, ProblemCount those of them
	// that are critical or warnings, and Muted those that are muted.
	Problems      []Problem     `json:"problems"`
	ProblemCount  int           `json:"problemCount"`
	ProblemCounts ProblemCounts `json:"problemCounts"`
	More          ProblemCounts `json:"more"`
	Muted         int           `json:"muted"`

	// NextEvaluation is when health may change without a change of an object, so that Resummarize
	// has to evaluate it again; zero: never.
	NextEvaluation time.Time `json:"-"`
}

// NodeCounts counts nodes.
type NodeCounts struct {
	Total       int `json:"total"`
	Ready       int `json:"ready"`
	Schedulable int `json:"schedulable"`
}

// PodCounts counts pods by phase. Terminating pods are counted under their phase too.
type PodCounts struct {
	Total       int `json:"total"`
	Pending     int `json:"pending"`
	Running     int `json:"running"`
	Succeeded   int `json:"succeeded"`
	Failed      int `json:"failed"`
	Unknown     int `json:"unknown"`
	Terminating int `json:"terminating"`
}

// ContainerCounts counts containers of all kinds by state. Containers of finished pods count as
// terminated only.
type ContainerCounts struct {
	Total      int `json:"total"`
	Running    int `json:"running"`
	Waiting    int `json:"waiting"`
	Terminated int `json:"terminated"`
	Unknown    int `json:"unknown"`
	Restarts   int `json:"restarts"`
	// Desired counts the main and sidecar containers of unfinished pods; Ready counts the ready
	// ones among them.
	Desired int `json:"desired"`
	Ready   int `json:"ready"`
}

// UsedSum is the sum of the usage of all nodes that have a sample.
type UsedSum struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the time of the oldest sample.
	SampledAt Time `json:"sampledAt,omitzero"`
	// Nodes is the number of nodes in the sum.
	Nodes int `json:"nodes"`
}

// FreeResources is an amount of free CPU and memory.
type FreeResources struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
}

// PortCounts counts the rows of the port map.
type PortCounts struct {
	Taken int `json:"taken"`
	// Conflicts counts the rows that conflict with another row.
	Conflicts int `json:"conflicts"`
}

// Summarize returns the summary of s at an instant, which matters because problems become critical
// with time. It mutes problems that a rule in ignore matches.
func Summarize(s *State, now time.Time, ignore ...Ignore) Summary {
	sum := Summary{}
	conflicts := Conflicts(s)
	finished := sum.countPods(s)
	sum.countNodes(s)
	sum.countContainers(s, finished)
	sum.Ports = PortCounts{Taken: s.Len(KindPort), Conflicts: len(conflicts)}
	sum.evaluateHealth(s, finished, conflicts, now, ignore)
	return sum
}

// Resummarize returns what Summarize returns for a later State with the same objects and ignore rules, without visiting
// an object. sum is the Summary of the earlier State, and before has its sections. after, usage and nodeSlots, which
// yields the slots of the nodes, are of the later one. Resummarize returns false if Summarize has to be called: a section
// has another error, or the passing of time may have changed health.
func Resummarize(sum Summary, before, after *[NumSections]Section, usage *Usage, nodeSlots iter.Seq[uint32], now time.Time) (Summary, bool) {
	if !sameErrors(before, after) || sum.expired(now) {
		return Summary{}, false
	}
	sum.Used = nil
	for slot := range nodeSlots {
		sum.addUsed(usage.Of(slot))
	}
	return sum, true
}

func (sum *Summary) countNodes(s *State) {
	for e := range s.Entries(KindNode) {
		n := e.Object.(*Node)
		sum.Nodes.Total++
		sum.Nodes.Ready += count(n.Ready == True)
		sum.Nodes.Schedulable += count(n.Schedulable)
		sum.Capacity.Add(n.Capacity)
		sum.Allocatable.Add(n.Allocatable)
		var requested Resources
		if load := s.Load(n.Name); load != nil {
			requested = load.Requested
			sum.Requested.Add(load.Requested)
			sum.Limits.Add(load.Limits)
		}
		if n.Ready == True && n.Schedulable {
			sum.Fragmentation.CPUMillis = max(sum.Fragmentation.CPUMillis, n.Allocatable.CPUMillis-requested.CPUMillis)
			sum.Fragmentation.MemoryBytes = max(sum.Fragmentation.MemoryBytes, n.Allocatable.MemoryBytes-requested.MemoryBytes)
		}
		sum.addUsed(s.Usage.Of(e.Slot))
	}
}

func (sum *Summary) addUsed(u *Used) {
	if u == nil {
		return
	}
	if sum.Used == nil {
		sum.Used = &UsedSum{SampledAt: u.SampledAt}
	}
	sum.Used.CPUMillis = SaturatingAdd(sum.Used.CPUMillis, u.CPUMillis)
	sum.Used.MemoryBytes = SaturatingAdd(sum.Used.MemoryBytes, u.MemoryBytes)
	sum.Used.SampledAt = min(sum.Used.SampledAt, u.SampledAt)
	sum.Used.Nodes++
}

// podID identifies a pod within its cluster.
type podID struct{ namespace, name string }

// countPods counts the pods and returns the finished ones.
func (sum *Summary) countPods(s *State) map[podID]bool {
	finished := map[podID]bool{}
	for p := range s.Pods() {
		sum.Pods.Total++
		sum.Pods.Terminating += count(p.Terminating)
		switch p.Phase {
		case PodPending:
			sum.Pods.Pending++
		case PodRunning:
			sum.Pods.Running++
		case PodSucceeded:
			sum.Pods.Succeeded++
		case PodFailed:
			sum.Pods.Failed++
		default:
			sum.Pods.Unknown++
		}
		if p.Phase.Finished() {
			finished[podID{p.Namespace, p.Name}] = true
		}
	}
	return finished
}

func (sum *Summary) countContainers(s *State, finished map[podID]bool) {
	counts := &sum.Containers
	for c := range s.Containers() {
		counts.Total++
		if finished[podID{c.Namespace, c.Pod}] {
			counts.Terminated++
			continue
		}
		switch c.State {
		case Running:
			counts.Running++
		case Waiting:
			counts.Waiting++
		case Terminated:
			counts.Terminated++
		default:
			counts.Unknown++
		}
		counts.Restarts += int(c.Restarts)
		if c.isLongRunning() {
			counts.Desired++
			counts.Ready += count(c.Ready)
		}
	}
}

// isLongRunning reports whether a container runs for as long as its pod.
func (c *Container) isLongRunning() bool { return c.Kind == Main || c.Kind == Sidecar }

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
