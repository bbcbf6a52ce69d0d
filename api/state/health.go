package state

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// MaxProblems is how many problems a Summary lists.
const MaxProblems = 50

// patience is how long a container may wait, or a pod be unschedulable, before
// its cluster counts as unhealthy.
const patience = 5 * time.Minute

// Problem is one thing that a person should know of.
type Problem struct {
	// Kind is the kind of object: Node, Pod, Container or Port.
	Kind string `json:"kind"`
	// What is wrong, as Kubernetes says it: NotReady, MemoryPressure,
	// CrashLoopBackOff, Unschedulable; and Conflict for a port.
	What string `json:"what"`
	// Where it is: node, namespace/pod, namespace/pod/container, node:port/protocol.
	Where   string `json:"where"`
	Since   Time   `json:"since,omitzero"`
	Message string `json:"message,omitempty"`
}

// severity orders problems, worst first. All above worrying make the cluster
// unhealthy.
type severity uint8

const (
	nodeNotReady severity = iota
	containerStuck
	podStuck
	worrying
	nodePressed
	containerWaiting
	podWaiting
	portConflict
)

// judgement gathers problems. Only the first MaxProblems survive, so a cluster
// full of them costs no more than their number.
type judgement struct {
	now    time.Time
	found  []rankedProblem
	ripens time.Time
}

type rankedProblem struct {
	severity severity
	problem  Problem
}

// judge finds what is wrong and decides Healthy: no node not ready, no main or
// sidecar container of an unfinished pod waiting for longer than patience with a
// reason other than its creation, no pod unschedulable for longer.
func (sum *Summary) judge(s *State, finished map[podID]bool, conflicts map[*Port][]PortKey, now time.Time) {
	j := judgement{now: now}
	for n := range s.Nodes() {
		j.node(n)
	}
	for p := range s.Pods() {
		j.pod(p)
	}
	for c := range s.Containers() {
		if !finished[podID{c.Namespace, c.Pod}] {
			j.container(c)
		}
	}
	for p := range s.Ports() {
		if others := conflicts[p]; others != nil {
			j.add(portConflict, Problem{
				Kind: "Port", What: "Conflict", Where: fmt.Sprintf("%s:%d/%s", p.Node, p.Port, p.Protocol),
				Message: fmt.Sprintf("%s is also claimed by %s", p.holder(), others[0].port().holder()),
			})
		}
	}
	sum.Healthy = !slices.ContainsFunc(j.found, func(r rankedProblem) bool { return r.severity < worrying })
	sum.ProblemCount = len(j.found)
	sum.Problems = j.worst()
	sum.Ripens = j.ripens
}

func (j *judgement) add(s severity, p Problem) {
	j.found = append(j.found, rankedProblem{s, p})
}

// aged adds a problem as grave once it is older than patience, as mild before,
// and notes when it will ripen.
func (j *judgement) aged(grave, mild severity, p Problem) {
	ripe := p.Since.Time().Add(patience)
	if j.now.After(ripe) {
		j.add(grave, p)
		return
	}
	j.add(mild, p)
	if ripe = ripe.Add(time.Second); j.ripens.IsZero() || ripe.Before(j.ripens) {
		j.ripens = ripe
	}
}

func (j *judgement) node(n *Node) {
	told := false
	for _, c := range n.Problems {
		p := Problem{Kind: "Node", What: c.Type, Where: n.Name, Since: c.Since, Message: cmp.Or(c.Message, c.Reason)}
		if c.Type == "Ready" {
			told = true
			p.What = "NotReady"
			j.add(nodeNotReady, p)
			continue
		}
		j.add(nodePressed, p)
	}
	if n.Ready != True && !told {
		j.add(nodeNotReady, Problem{Kind: "Node", What: "NotReady", Where: n.Name, Since: n.CreatedAt, Message: "the kubelet has not reported yet"})
	}
}

func (j *judgement) pod(p *Pod) {
	if p.UnschedulableSince != 0 && !p.Phase.Finished() {
		j.aged(podStuck, podWaiting, Problem{Kind: "Pod", What: cmp.Or(p.Reason, "Unschedulable"), Where: p.Namespace + "/" + p.Name, Since: p.UnschedulableSince, Message: p.Message})
	}
}

func (j *judgement) container(c *Container) {
	unbound := c.Node == "" // that is its pod's problem, and told as such
	if c.State != Waiting || !c.serves() || unbound || c.WaitingSince == 0 || beingCreated(c.Reason) {
		return
	}
	message := c.Message
	if c.Last != nil && c.Last.Reason != "" {
		message = fmt.Sprintf("last ended as %s with exit code %d", c.Last.Reason, c.Last.ExitCode)
	}
	j.aged(containerStuck, containerWaiting, Problem{Kind: "Container", What: c.Reason, Where: c.Namespace + "/" + c.Pod + "/" + c.Name, Since: c.WaitingSince, Message: message})
}

// beingCreated says that a container waits for nothing but its start.
func beingCreated(reason string) bool {
	return reason == "" || reason == "ContainerCreating" || reason == "PodInitializing"
}

// worst are the first MaxProblems: by severity, then the older, then by place.
func (j *judgement) worst() []Problem {
	slices.SortFunc(j.found, func(a, b rankedProblem) int {
		return cmp.Or(cmp.Compare(a.severity, b.severity), cmp.Compare(a.problem.Since, b.problem.Since), cmp.Compare(a.problem.Where, b.problem.Where))
	})
	problems := make([]Problem, 0, min(len(j.found), MaxProblems))
	for _, r := range j.found[:cap(problems)] {
		problems = append(problems, r.problem)
	}
	return problems
}

func (p *Port) holder() string {
	switch {
	case p.Service != "":
		return fmt.Sprintf("Service %s/%s (%s)", p.Namespace, p.Service, p.Kind)
	case p.Pod != "":
		return fmt.Sprintf("pod %s/%s (%s)", p.Namespace, p.Pod, p.Kind)
	}
	return p.Kind.String()
}
