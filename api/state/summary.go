package state

import "time"

// Summary is a cluster in a few numbers.
type Summary struct {
	Nodes      NodeCounts      `json:"nodes"`
	Pods       PodCounts       `json:"pods"`
	Containers ContainerCounts `json:"containers"`

	Capacity    Resources `json:"capacity"`
	Allocatable Resources `json:"allocatable"`
	Requested   Resources `json:"requested"`
	Limits      Resources `json:"limits"`
	// Used is absent while no node's usage is known.
	Used *UsedSum `json:"used,omitempty"`
	// Fragmentation is the largest free amount of each resource on any one
	// schedulable, ready node: a sum over nodes hides that nothing fits.
	Fragmentation FreeResources `json:"fragmentation"`
	Ports         PortCounts    `json:"ports"`

	// Healthy is false while a critical problem that is not muted is older than its
	// patience.
	Healthy bool `json:"healthy"`
	// Problems are the worst ones, at most MaxProblems; More counts those that are not
	// listed. ProblemCounts counts all of them but the muted ones, which Muted counts,
	// and ProblemCount those of them that are critical or warnings.
	Problems      []Problem     `json:"problems"`
	ProblemCount  int           `json:"problemCount"`
	ProblemCounts ProblemCounts `json:"problemCounts"`
	More          ProblemCounts `json:"more"`
	Muted         int           `json:"muted"`

	// NextEvaluation is when health may change though no object does, and the Summary
	// has to be made anew; zero: never.
	NextEvaluation time.Time `json:"-"`
}

// NodeCounts counts nodes.
type NodeCounts struct {
	Total       int `json:"total"`
	Ready       int `json:"ready"`
	Schedulable int `json:"schedulable"`
}

// PodCounts counts pods by phase; Terminating ones count under their phase too.
type PodCounts struct {
	Total       int `json:"total"`
	Pending     int `json:"pending"`
	Running     int `json:"running"`
	Succeeded   int `json:"succeeded"`
	Failed      int `json:"failed"`
	Unknown     int `json:"unknown"`
	Terminating int `json:"terminating"`
}

// ContainerCounts counts containers of all kinds by state. Those of finished pods
// count as terminated, and nowhere else.
type ContainerCounts struct {
	Total      int `json:"total"`
	Running    int `json:"running"`
	Waiting    int `json:"waiting"`
	Terminated int `json:"terminated"`
	Unknown    int `json:"unknown"`
	Restarts   int `json:"restarts"`
	// Desired are the main and sidecar containers of unfinished pods; Ready are
	// those of them that are ready.
	Desired int `json:"desired"`
	Ready   int `json:"ready"`
}

// UsedSum is what all nodes with a sample use together.
type UsedSum struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
	// SampledAt is the oldest sample's time.
	SampledAt Time `json:"sampledAt,omitzero"`
	// Nodes is how many nodes the sum covers.
	Nodes int `json:"nodes"`
}

// FreeResources is free CPU and memory.
type FreeResources struct {
	CPUMillis   int64 `json:"cpuMillis"`
	MemoryBytes int64 `json:"memoryBytes"`
}

// PortCounts counts the rows of the port map.
type PortCounts struct {
	Taken int `json:"taken"`
	// Conflicts are the rows that conflict with another.
	Conflicts int `json:"conflicts"`
}

// Summarize returns the summary of s at an instant: problems grow old with time alone.
// Problems that ignore matches are muted.
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

// Resummarize returns Summarize of s, given the summary of a State before it under the
// same ignore. Where nothing but usage differs it looks at no object.
func Resummarize(sum Summary, before, s *State, now time.Time, ignore ...Ignore) Summary {
	if !s.SameObjects(before) || !s.sameErrors(before) || sum.expired(now) {
		return Summarize(s, now, ignore...)
	}
	if s.Usage != before.Usage {
		sum.Used = nil
		for slot := range s.nodeSlots {
			sum.addUsed(s.Usage.Of(slot))
		}
	}
	return sum
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

// podID names a pod within its cluster.
type podID struct{ namespace, name string }

// countPods counts pods and gives the finished ones.
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
		if c.serves() {
			counts.Desired++
			counts.Ready += count(c.Ready)
		}
	}
}

// serves says that a container is there for as long as its pod is.
func (c *Container) serves() bool { return c.Kind == Main || c.Kind == Sidecar }

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
