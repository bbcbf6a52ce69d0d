package state

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxProblems is how many problems a Summary lists.
const MaxProblems = 50

// MaxOthers is how many further names a Problem has.
const MaxOthers = 3

// How long a problem may last before it counts for health.
const (
	nodePatience      = time.Minute
	conditionPatience = 5 * time.Minute
	podPatience       = 5 * time.Minute
	crashPatience     = 2 * time.Minute
	failedPatience    = 2 * time.Minute
	volumePatience    = 5 * time.Minute
	claimPatience     = 5 * time.Minute
	servicePatience   = 5 * time.Minute
	sectionPatience   = time.Minute
)

// CrashLoopResetAfter without a restart ends the crash loop of a container. The kubelet forgets its
// back-off after as long.
const CrashLoopResetAfter = 10 * time.Minute

const (
	// youngNode is the age up to which a node that is not ready is expected.
	youngNode = 2 * time.Minute
	// terminationSlack is by how much a pod may outlast its grace period.
	terminationSlack = 5 * time.Minute
	// crowdedNode is the share of a node's pods from which it is nearly full, in per cent.
	crowdedNode = 95
	// longNotReady is after how long a pod that is not ready is told of whatever else it
	// does: that of KubePodNotReady of kubernetes-mixin.
	longNotReady = 15 * time.Minute
)

// What is wrong, where Kubernetes has no word of its own for it.
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
	whatImagePull         = "ImagePullBackOff"
	whatSchedulingGated   = "SchedulingGated"
	whatContainerCreating = "ContainerCreating"
)

// Problem is one thing that a person should know of. One cause is one Problem,
// however many objects it affects.
type Problem struct {
	Severity Severity `json:"severity"`
	// Kind is the kind of object: Node, Pod, Container, Port, Service,
	// PersistentVolumeClaim, PersistentVolume or Cluster.
	Kind string `json:"kind"`
	// What is wrong, as Kubernetes says it: NotReady, MemoryPressure,
	// CrashLoopBackOff, Unschedulable; see the constants for the other words.
	What string `json:"what"`
	// Where is the object that has been affected for longest: node, namespace/pod,
	// namespace/pod/container, namespace/name, [address:]port/protocol behind a node.
	Where string `json:"where"`
	// Owner is the workload of a pod or container.
	Owner   Owner  `json:"owner,omitzero"`
	Since   Time   `json:"since,omitzero"`
	Message string `json:"message,omitempty"`
	// Count is how many objects are affected. Others names up to three of them
	// besides Where.
	Count  int      `json:"count"`
	Others []string `json:"others,omitempty"`
	// Muted is why the problem does not count, where somebody said so.
	Muted string `json:"muted,omitempty"`
}

// ProblemCounts counts problems by severity; muted ones are not among them.
type ProblemCounts struct {
	Critical int `json:"critical"`
	Warning  int `json:"warning"`
	Info     int `json:"info"`
}

// Ignore mutes problems: those for which each field that is set is equal.
type Ignore struct {
	Namespace string `json:"namespace,omitempty"`
	// Owner is the kind and name of a workload, as in Deployment/web, or its name. The
	// Jobs of a CronJob match by its name too, as in CronJob/backup.
	Owner string `json:"owner,omitempty"`
	Node  string `json:"node,omitempty"`
	What  string `json:"what,omitempty"`
	// Until is when the problems count again; zero: never.
	Until Time `json:"until,omitzero"`
	// Reason is shown with each problem that is muted.
	Reason string `json:"reason,omitempty"`
}

// CrashLooping reports whether a container is in a crash loop at an instant: the agent
// has seen it crash again and again, and it has not run for CrashLoopResetAfter since.
func (c *Container) CrashLooping(now time.Time) bool {
	return c.CrashLoopSince != 0 && (c.State != Running || c.StartedAt == 0 || now.Before(c.StartedAt.Time().Add(CrashLoopResetAfter)))
}

// finding is one object with one thing wrong, before grouping.
type finding struct {
	Problem
	patience  time.Duration
	namespace string
	node      string
	workload  workloadKey
	// image is set where it cannot be pulled.
	image string
	// mute is the annotation of the object.
	mute string
}

// evaluator finds what is wrong with a State at an instant.
type evaluator struct {
	state    *State
	now      time.Time
	ignore   []Ignore
	found    []finding
	finished map[podID]bool
	// looping are the pods with a container in a crash loop.
	looping map[podID]bool
	// down are the nodes that are not ready, by the index of their finding.
	down map[string]int
	// workloads are those of which some pod does not work.
	workloads map[workloadKey]*workload
	next      time.Time
}

// evaluateHealth finds what is wrong with s at an instant and sets Healthy, Problems and
// what belongs to them. The rules are those of docs/FACTS.md.
func (sum *Summary) evaluateHealth(s *State, finished map[podID]bool, conflicts map[*Port][]PortKey, now time.Time, ignore []Ignore) {
	e := evaluator{
		state: s, now: now, ignore: ignore, finished: finished,
		looping: map[podID]bool{}, down: map[string]int{}, workloads: map[workloadKey]*workload{},
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

// reevaluateAt notes that health may change at an instant though no object does.
func (e *evaluator) reevaluateAt(at time.Time) {
	if at.After(e.now) && (e.next.IsZero() || at.Before(e.next)) {
		e.next = at
	}
}

// summarize mutes, groups and sorts what was found.
func (e *evaluator) summarize(sum *Summary) {
	sum.Healthy = true
	for i := range e.found {
		f := &e.found[i]
		f.Muted = e.muted(f)
		if f.Severity != SeverityCritical || f.Muted != "" {
			continue
		}
		late := f.Since.Time().Add(f.patience)
		if e.now.After(late) {
			sum.Healthy = false
		} else {
			e.reevaluateAt(late.Add(time.Second))
		}
	}
	problems := grouped(e.found)
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

// muted returns why a finding does not count; empty where it does.
func (e *evaluator) muted(f *finding) string {
	if f.mute != "" {
		return f.mute
	}
	for _, i := range e.ignore {
		if i.matches(f) {
			if i.Until != 0 {
				if !e.now.Before(i.Until.Time()) {
					continue
				}
				e.reevaluateAt(i.Until.Time())
			}
			return cmp.Or(i.Reason, "ignored")
		}
	}
	return ""
}

// matches reports whether a rule is of a finding. A rule without any field matches none.
func (i *Ignore) matches(f *finding) bool {
	if i.Namespace == "" && i.Owner == "" && i.Node == "" && i.What == "" {
		return false
	}
	return i.matchesOwner(f) && (i.Namespace == "" || i.Namespace == f.namespace) && (i.Node == "" || i.Node == f.node) && (i.What == "" || i.What == f.What)
}

// matchesOwner reports whether a rule is of the workload of a finding.
func (i *Ignore) matchesOwner(f *finding) bool {
	switch i.Owner {
	case "", f.Owner.Name, f.Owner.Kind + "/" + f.Owner.Name:
		return true
	case f.workload.name, "CronJob/" + f.workload.name:
		return f.workload.kind == "Job" && f.workload.name != f.Owner.Name
	}
	return false
}

// group is what findings of one Problem have in common.
type group struct {
	kind, what, muted string
	// where is set for what is not grouped, image for images, workload for the rest.
	where, image string
	workload     workloadKey
	// info is set where nothing is to be done: such findings count nowhere else.
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

// grouped returns a Problem for each group of findings: worst first, then the oldest,
// then by place; muted ones last.
func grouped(found []finding) []Problem {
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

// conflicts adds one finding for all who claim the same port.
func (e *evaluator) conflicts(conflicts map[*Port][]PortKey) {
	if len(conflicts) == 0 {
		return
	}
	for _, claimants := range conflictGroups(e.state, conflicts) {
		e.add(e.conflict(claimants))
	}
}

// conflict describes rows that cannot all have their port. Rows come in key order.
func (e *evaluator) conflict(claimants []*Port) finding {
	first := claimants[0]
	f := finding{Problem: Problem{Severity: SeverityInfo, Kind: "Port", What: WhatConflict, Where: first.place(), Count: len(claimants)}, namespace: first.Namespace, node: first.Node}
	var holders []string
	known := map[string]bool{}
	for _, p := range claimants {
		f.Since = max(f.Since, e.heldSince(p))
		if h := p.holder(); !known[h] {
			known[h] = true
			holders = append(holders, h)
		}
	}
	if !onlyVirtualAddresses(claimants) {
		f.Severity = SeverityWarning
	}
	f.Message = "claimed by " + strings.Join(holders[:min(len(holders), MaxOthers+1)], ", ")
	if more := len(holders) - MaxOthers - 1; more > 0 {
		f.Message += fmt.Sprintf(" and %d more", more)
	}
	for _, p := range claimants[1:min(len(claimants), MaxOthers+1)] {
		f.Others = append(f.Others, p.holder())
	}
	return f
}

// heldSince returns when the holder of a port was made; zero where that is not known.
func (e *evaluator) heldSince(p *Port) Time {
	k := Key{Kind: KindPod, Namespace: p.Namespace, Name: p.Pod}
	if p.Service != "" {
		k.Kind, k.Name = KindService, p.Service
	}
	held, ok := e.state.Get(k)
	if !ok {
		return 0
	}
	switch o := held.Object.(type) {
	case *Pod:
		return o.CreatedAt
	case *Service:
		return o.CreatedAt
	}
	return 0
}

// place names a port: its node, its address where it has one, number and protocol.
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

func (p *Port) holder() string {
	switch {
	case p.Service != "":
		return fmt.Sprintf("Service %s/%s (%s)", p.Namespace, p.Service, p.Kind)
	case p.Pod != "":
		return fmt.Sprintf("pod %s/%s (%s)", p.Namespace, p.Pod, p.Kind)
	}
	return p.Kind.String()
}
