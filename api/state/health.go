package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxProblems is the largest number of problems that a Summary lists.
const MaxProblems = 50

// MaxOthers is the largest number of further objects that a Problem names.
const MaxOthers = 3

// Thresholds by kind of problem. A critical problem makes the cluster unhealthy once it has lasted
// longer.
const (
	nodeThreshold      = time.Minute
	conditionThreshold = 5 * time.Minute
	podThreshold       = 5 * time.Minute
	crashLoopThreshold = 2 * time.Minute
	failedThreshold    = 2 * time.Minute
	volumeThreshold    = 5 * time.Minute
	claimThreshold     = 5 * time.Minute
	serviceThreshold   = 5 * time.Minute
	sectionThreshold   = time.Minute
)

// CrashLoopResetAfter is how long a container has to run without a restart to end a crash loop.
// The kubelet resets its back-off after the same time.
const CrashLoopResetAfter = 10 * time.Minute

const (
	// nodeStartupTime is the age up to which a node is expected to be not ready.
	nodeStartupTime = 2 * time.Minute
	// terminationLeeway is how much longer than its grace period a pod may exist.
	terminationLeeway = 5 * time.Minute
	// nearlyFullPercent is the percentage of a node's pod capacity above which a problem is
	// reported.
	nearlyFullPercent = 95
	// notReadyWarningAfter is after how long a pod that is not ready is reported in any case. It
	// is the duration of KubePodNotReady in kubernetes-mixin.
	notReadyWarningAfter = 15 * time.Minute
)

// Values of Problem.What. Most are for problems that Kubernetes does not name.
const (
	WhatNotReady          = "NotReady"
	WhatNotScheduled      = "NotScheduled"
	WhatCrashLoop         = "CrashLoopBackOff"
	WhatTerminating       = "TerminatingTooLong"
	WhatFlapping          = "ReadinessFlapping"
	WhatUnreachable       = "Unreachable"
	WhatTooManyPods       = "TooManyPods"
	WhatCPUOvercommit     = "CPUOvercommit"
	WhatMemoryOvercommit  = "MemoryOvercommit"
	WhatNoEndpoints       = "NoReadyEndpoints"
	WhatNoPods            = "NoPods"
	WhatNoAddress         = "NoLoadBalancerAddress"
	WhatConflict          = "Conflict"
	WhatPending           = "Pending"
	WhatFailed            = "Failed"
	WhatUnreadable        = "Unreadable"
	WhatRestricted        = "Restricted"
	whatImagePull         = "ImagePullBackOff"
	whatSchedulingGated   = "SchedulingGated"
	whatContainerCreating = "ContainerCreating"
)

// Problem describes one problem of a cluster. Objects with the same cause are one Problem.
type Problem struct {
	Severity Severity `json:"severity"`
	// Kind is the kind of object: Node, Pod, Container, Port, Service,
	// PersistentVolumeClaim, PersistentVolume or Cluster.
	Kind string `json:"kind"`
	// What is the problem's name as used by Kubernetes (NotReady, MemoryPressure,
	// CrashLoopBackOff, Unschedulable), or one of the What constants.
	What string `json:"what"`
	// Where is the object that has been affected longest: node, namespace/pod,
	// namespace/pod/container, namespace/name, or node:[address:]port/protocol.
	Where string `json:"where"`
	// Owner is the workload of a pod or container.
	Owner   Owner  `json:"owner,omitzero"`
	Since   Time   `json:"since,omitzero"`
	Message string `json:"message,omitempty"`
	// Count is the number of affected objects. Others names up to three of them besides Where.
	Count  int      `json:"count"`
	Others []string `json:"others,omitempty"`
	// Muted is the reason why the problem does not count; empty if it counts.
	Muted string `json:"muted,omitempty"`
}

// ProblemCounts has the number of problems of each severity, without muted ones.
type ProblemCounts struct {
	Critical int `json:"critical"`
	Warning  int `json:"warning"`
	Info     int `json:"info"`
}

// Ignore mutes the problems that match all of its fields. Empty fields match everything.
type Ignore struct {
	Namespace string `json:"namespace,omitempty"`
	// Owner is a workload's kind and name, such as Deployment/web, or its name. The Jobs of a
	// CronJob match its name too, such as CronJob/backup.
	Owner string `json:"owner,omitempty"`
	Node  string `json:"node,omitempty"`
	What  string `json:"what,omitempty"`
	// Until is when the rule ends; zero: never.
	Until Time `json:"until,omitzero"`
	// Reason is shown with each muted problem.
	Reason string `json:"reason,omitempty"`
}

// CrashLooping reports whether a container is in a crash loop at an instant: the agent saw it
// crash repeatedly, and it has not run for CrashLoopResetAfter since.
func (c *Container) CrashLooping(now time.Time) bool {
	return c.CrashLoopSince != 0 && (c.State != Running || c.StartedAt == 0 || now.Before(c.StartedAt.Time().Add(CrashLoopResetAfter)))
}

// finding is one problem of one object, before grouping.
type finding struct {
	Problem
	threshold time.Duration
	namespace string
	node      string
	workload  workloadKey
	// image is set if it cannot be pulled.
	image string
	// mute is the value of the object's mute annotation.
	mute string
}

// evaluator finds the problems of a State at an instant.
type evaluator struct {
	state    *State
	now      time.Time
	ignore   []Ignore
	found    []finding
	finished map[podID]bool
	// crashLooping has the pods with a container in a crash loop.
	crashLooping map[podID]bool
	// down has the nodes that are not ready, with the index of their finding.
	down map[string]int
	// workloads has the workloads with a failing pod.
	workloads map[workloadKey]*workload
	// next is when health may change without a change of an object; zero: never.
	next time.Time
}

// evaluateHealth finds the problems of s at an instant and sets Healthy, Problems and the counts.
// docs/FACTS.md lists the rules.
func (sum *Summary) evaluateHealth(s *State, finished map[podID]bool, conflicts map[*Port][]PortKey, now time.Time, ignore []Ignore) {
	e := evaluator{
		state: s, now: now, ignore: ignore, finished: finished,
		crashLooping: map[podID]bool{}, down: map[string]int{}, workloads: map[workloadKey]*workload{},
	}
	e.sections()
	e.nodes()
	e.overcommit(sum)
	e.containersAndPods()
	e.storage()
	e.services()
	e.conflicts(conflicts)
	e.summarize(sum)
}

func (e *evaluator) add(f finding) { e.found = append(e.found, f) }

// reevaluateAt records that health may change at an instant without a change of an object.
func (e *evaluator) reevaluateAt(at time.Time) {
	if at.After(e.now) && (e.next.IsZero() || at.Before(e.next)) {
		e.next = at
	}
}

// summarize mutes, groups and sorts the findings.
func (e *evaluator) summarize(sum *Summary) {
	sum.Healthy = true
	for i := range e.found {
		f := &e.found[i]
		f.Muted = e.muted(f)
		if f.Severity != SeverityCritical || f.Muted != "" {
			continue
		}
		deadline := f.Since.Time().Add(f.threshold)
		if e.now.After(deadline) {
			sum.Healthy = false
		} else {
			e.reevaluateAt(deadline.Add(time.Second))
		}
	}
	problems := groupFindings(e.found)
	sum.ProblemCounts, sum.More, sum.Muted = ProblemCounts{}, ProblemCounts{}, 0
	for i, p := range problems {
		if p.Muted != "" {
			sum.Muted++
			continue
		}
		sum.ProblemCounts.count(p.Severity)
		if i >= MaxProblems {
			sum.More.count(p.Severity)
		}
	}
	sum.ProblemCount = sum.ProblemCounts.Critical + sum.ProblemCounts.Warning
	sum.Problems = slices.Clip(problems[:min(len(problems), MaxProblems)])
	sum.NextEvaluation = e.next
}

func (c *ProblemCounts) count(s Severity) {
	switch s {
	case SeverityCritical:
		c.Critical++
	case SeverityWarning:
		c.Warning++
	case SeverityInfo:
		c.Info++
	}
}

// muted returns the reason why a finding does not count, empty if it counts.
func (e *evaluator) muted(f *finding) string {
	if f.mute != "" {
		return f.mute
	}
	for _, rule := range e.ignore {
		if rule.matches(f) {
			if rule.Until != 0 {
				if !e.now.Before(rule.Until.Time()) {
					continue
				}
				e.reevaluateAt(rule.Until.Time())
			}
			return cmp.Or(rule.Reason, "ignored")
		}
	}
	return ""
}

// matches reports whether a rule matches a finding. A rule without fields matches nothing.
func (i *Ignore) matches(f *finding) bool {
	if i.Namespace == "" && i.Owner == "" && i.Node == "" && i.What == "" {
		return false
	}
	return i.matchesOwner(f) && (i.Namespace == "" || i.Namespace == f.namespace) && (i.Node == "" || i.Node == f.node) && (i.What == "" || i.What == f.What)
}

// matchesOwner reports whether a rule matches the workload of a finding.
func (i *Ignore) matchesOwner(f *finding) bool {
	switch i.Owner {
	case "", f.Owner.Name, f.Owner.Kind + "/" + f.Owner.Name:
		return true
	case f.workload.name, "CronJob/" + f.workload.name:
		return f.workload.kind == "Job" && f.workload.name != f.Owner.Name
	}
	return false
}

// group identifies the findings that become one Problem.
type group struct {
	kind, what, muted string
	// where is set for findings that are not grouped, image for images that cannot be pulled,
	// workload for all others.
	where, image string
	workload     workloadKey
	// info is set for findings that require no action. They are not counted with others.
	info bool
}

func (f *finding) group() group {
	g := group{kind: f.Kind, what: f.What, muted: f.Muted, info: f.Severity == SeverityInfo}
	switch {
	case f.image != "":
		g.image = f.image
	case f.workload != workloadKey{}:
		g.workload = f.workload
	default:
		g.where = f.Where
	}
	return g
}

// groupFindings returns one Problem for each group of findings, sorted by severity, age and place.
// Muted ones are last.
func groupFindings(found []finding) []Problem {
	slices.SortFunc(found, func(a, b finding) int { return comparePlaces(&a.Problem, &b.Problem) })
	index := make(map[group]int, len(found))
	problems := make([]Problem, 0, len(found))
	for i := range found {
		f := &found[i]
		g := f.group()
		at, ok := index[g]
		if !ok {
			index[g] = len(problems)
			problems = append(problems, f.Problem)
			continue
		}
		p := &problems[at]
		p.Count += f.Count
		p.Severity = min(p.Severity, f.Severity)
		if len(p.Others) < MaxOthers {
			p.Others = append(p.Others, f.Where)
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(min(len(a.Muted), 1), min(len(b.Muted), 1)), cmp.Compare(a.Severity, b.Severity), comparePlaces(&a, &b))
	})
	return problems
}

// comparePlaces orders problems by age, the oldest first, then by place.
func comparePlaces(a, b *Problem) int {
	return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Where, b.Where), strings.Compare(a.What, b.What))
}

// conflicts adds one finding for each set of rows that conflict over a port.
func (e *evaluator) conflicts(conflicts map[*Port][]PortKey) {
	if len(conflicts) == 0 {
		return
	}
	for _, claimants := range conflictGroups(e.state, conflicts) {
		e.add(e.conflict(claimants))
	}
}

// conflict returns the finding for conflicting rows, which are in key order.
func (e *evaluator) conflict(claimants []*Port) finding {
	first := claimants[0]
	f := finding{Problem: Problem{Severity: SeverityInfo, Kind: "Port", What: WhatConflict, Where: first.place(), Count: len(claimants)}, namespace: first.Namespace, node: first.Node}
	var owners []string
	seen := map[string]bool{}
	for _, p := range claimants {
		f.Since = max(f.Since, e.claimedSince(p))
		if owner := p.owner(); !seen[owner] {
			seen[owner] = true
			owners = append(owners, owner)
		}
	}
	if !onlyVirtualAddresses(claimants) {
		f.Severity = SeverityWarning
	}
	f.Message = "claimed by " + strings.Join(owners[:min(len(owners), MaxOthers+1)], ", ")
	if more := len(owners) - MaxOthers - 1; more > 0 {
		f.Message += fmt.Sprintf(" and %d more", more)
	}
	for _, p := range claimants[1:min(len(claimants), MaxOthers+1)] {
		f.Others = append(f.Others, p.owner())
	}
	return f
}

// claimedSince returns when the owner of a port was created, zero if that is unknown.
func (e *evaluator) claimedSince(p *Port) Time {
	k := Key{Kind: KindPod, Namespace: p.Namespace, Name: p.Pod}
	if p.Service != "" {
		k.Kind, k.Name = KindService, p.Service
	}
	entry, ok := e.state.Get(k)
	if !ok {
		return 0
	}
	switch o := entry.Object.(type) {
	case *Pod:
		return o.CreatedAt
	case *Service:
		return o.CreatedAt
	}
	return 0
}

// place formats a port as node:[address:]port/protocol.
func (p *Port) place() string {
	if p.Address == "" {
		return fmt.Sprintf("%s:%d/%s", p.Node, p.Port, p.Protocol)
	}
	address := p.Address
	if strings.Contains(address, ":") {
		address = "[" + address + "]"
	}
	return fmt.Sprintf("%s:%s:%d/%s", p.Node, address, p.Port, p.Protocol)
}

func (p *Port) owner() string {
	switch {
	case p.Service != "":
		return fmt.Sprintf("Service %s/%s (%s)", p.Namespace, p.Service, p.Kind)
	case p.Pod != "":
		return fmt.Sprintf("pod %s/%s (%s)", p.Namespace, p.Pod, p.Kind)
	}
	return p.Kind.String()
}
