package state

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// workloadKey identifies a workload for severity and grouping.
type workloadKey struct{ namespace, kind, name string }

// workload is what is known of the pods of a workload.
type workload struct {
	// working is how many of them work; doneAt is when the last one succeeded.
	working int
	doneAt  Time
}

// workloadOf returns the workload of a pod. The Jobs of a CronJob are one workload, as
// are the static pods of one name on all nodes; any other pod without a workload is
// its own.
func workloadOf(p *Pod) workloadKey {
	k := workloadKey{p.Namespace, p.Owner.Kind, p.Owner.Name}
	switch k.kind {
	case "Job":
		k.name = cronJobOf(k.name)
	case "Node":
		k.name = strings.TrimSuffix(p.Name, "-"+p.Node)
	case "", "Pod":
		k.kind, k.name = "Pod", p.Name
	}
	return k
}

// cronJobOf returns the name of a Job without the minute that a CronJob appends
// (the CronJob controller's getJobName).
func cronJobOf(job string) string {
	i := strings.LastIndexByte(job, '-')
	if minute := job[i+1:]; i <= 0 || len(minute) != 8 || strings.Trim(minute, "0123456789") != "" {
		return job
	}
	return job[:i]
}

// trouble is a pod or container that may be a finding.
type trouble struct {
	pod       *Pod
	container *Container
}

// containersAndPods adds what is wrong with pods. It looks at pods and containers once
// each; only where something is wrong it counts the pods of the workloads concerned.
func (e *evaluator) containersAndPods() {
	found, listed := e.troubledContainers()
	found = append(found, e.troubledPods(listed)...)
	e.countWorkloads(found)
	for _, t := range found {
		if t.container != nil {
			e.container(t.pod, t.container)
		} else {
			e.pod(t.pod)
		}
	}
}

// troubledContainers returns the containers of unfinished pods that do not work or are
// in a crash loop, and the pods that have one.
func (e *evaluator) troubledContainers() (found []trouble, pods map[podID]bool) {
	pods = map[podID]bool{}
	for c := range e.state.Containers() {
		looping := c.CrashLooping(e.now)
		if looping && c.State == Running {
			e.reevaluateAt(c.StartedAt.Time().Add(CrashLoopResetAfter))
		}
		if !looping && c.NotReadySince == 0 {
			continue
		}
		id := podID{c.Namespace, c.Pod}
		held, ok := e.state.Get(Key{Kind: KindPod, Namespace: c.Namespace, Name: c.Pod})
		if !ok || e.finished[id] {
			continue
		}
		if looping {
			e.looping[id] = true
		}
		pods[id] = true
		found = append(found, trouble{held.Object.(*Pod), c})
	}
	return found, pods
}

// troubledPods returns the pods that are findings as a whole. listed are those whose
// containers are.
func (e *evaluator) troubledPods(listed map[podID]bool) []trouble {
	var found []trouble
	for p := range e.state.Pods() {
		switch {
		case p.Phase == PodFailed, p.Terminating, p.Reason == whatSchedulingGated && p.Node == "":
			found = append(found, trouble{pod: p})
		case p.NotReadySince != 0 && (p.Node == "" || !listed[podID{p.Namespace, p.Name}]):
			found = append(found, trouble{pod: p})
		}
	}
	return found
}

// countWorkloads counts the pods of all workloads that have trouble.
func (e *evaluator) countWorkloads(found []trouble) {
	if len(found) == 0 {
		return
	}
	for _, t := range found {
		e.workloads[workloadOf(t.pod)] = &workload{}
	}
	for p := range e.state.Pods() {
		w := e.workloads[workloadOf(p)]
		switch {
		case w == nil:
		case p.Phase == PodSucceeded:
			w.doneAt = max(w.doneAt, p.FinishedAt, p.CreatedAt)
		case e.works(p):
			w.working++
		}
	}
}

// works reports whether a pod does what it is there for.
func (e *evaluator) works(p *Pod) bool {
	return p.Phase == PodRunning && !p.Terminating && (p.NotReadySince == 0 || e.partlyDone(p)) && !e.looping[podID{p.Namespace, p.Name}] && !e.isDown(p.Node)
}

// partlyDone reports whether some containers of a pod have done their work while the
// others go on: the pod is not ready, and kubectl prints NotReady, without a fault.
func (e *evaluator) partlyDone(p *Pod) bool {
	done, running := false, false
	for c := range e.state.ContainersOf(p.Namespace, p.Name) {
		if c.NotReadySince != 0 {
			return false
		}
		if c.Kind == Main {
			done = done || c.State == Terminated
			running = running || c.State == Running
		}
	}
	return done && running
}

func (e *evaluator) isDown(node string) bool {
	_, down := e.down[node]
	return down
}

// severityOf returns how grave it is that a pod does not work: critical when none of
// its workload's pods does.
func (e *evaluator) severityOf(p *Pod) Severity {
	if e.workloads[workloadOf(p)].working > 0 {
		return SeverityWarning
	}
	return SeverityCritical
}

// ofPod returns a finding with what all findings of a pod have in common.
func (e *evaluator) ofPod(p *Pod, what string, since Time, patience time.Duration) finding {
	return finding{
		Problem: Problem{
			Severity: e.severityOf(p), Kind: "Pod", What: what, Where: p.Namespace + "/" + p.Name, Owner: p.Owner,
			Since: cmp.Or(since, p.CreatedAt), Message: p.Message, Count: 1,
		},
		patience: patience, namespace: p.Namespace, node: p.Node, workload: workloadOf(p), mute: p.Mute,
	}
}

// countWithNode counts a pod with the node that takes it down, and reports whether
// there is one.
func (e *evaluator) countWithNode(p *Pod) bool {
	i, down := e.down[p.Node]
	if !down {
		return false
	}
	f := &e.found[i]
	f.Count++
	if len(f.Others) < MaxOthers {
		f.Others = append(f.Others, p.Namespace+"/"+p.Name)
	}
	return true
}

func (e *evaluator) pod(p *Pod) {
	switch {
	case p.Phase == PodFailed:
		e.failedPod(p)
	case p.Terminating:
		e.terminatingPod(p)
	case p.Reason == whatSchedulingGated && p.Node == "":
		f := e.ofPod(p, whatSchedulingGated, p.CreatedAt, 0)
		f.Severity = SeverityInfo
		e.add(f)
	case p.Node == "":
		e.add(e.ofPod(p, cmp.Or(p.Reason, WhatNotScheduled), p.UnschedulableSince, podPatience))
	case e.countWithNode(p):
	case p.Phase == PodUnknown:
		f := e.ofPod(p, cmp.Or(p.Reason, "Unknown"), p.NotReadySince, podPatience)
		f.Message = cmp.Or(f.Message, "nobody reports how the pod is, most often because its node does not answer")
		e.add(f)
	case e.partlyDone(p):
		e.partlyDonePod(p)
	default:
		f := e.ofPod(p, WhatNotReady, p.NotReadySince, podPatience)
		f.Message = cmp.Or(p.Message, p.Reason)
		e.add(f)
	}
}

// partlyDonePod adds a pod that is not ready since some of its containers have ended.
// KubePodNotReady tells of it after a while.
func (e *evaluator) partlyDonePod(p *Pod) {
	f := e.ofPod(p, WhatNotReady, p.NotReadySince, podPatience)
	f.Severity, f.Message = SeverityInfo, "some of its containers have ended and the others run, so the pod is not ready and gets no requests of Services"
	if long := f.Since.Time().Add(longNotReady); e.now.Before(long) {
		e.reevaluateAt(long)
	} else {
		f.Severity = SeverityWarning
	}
	e.add(f)
}

// failedPod adds a pod that failed: nothing to act on where others of its workload work,
// or where its Job has succeeded since.
func (e *evaluator) failedPod(p *Pod) {
	f := e.ofPod(p, cmp.Or(p.Reason, p.Status, WhatFailed), p.FinishedAt, failedPatience)
	if w := e.workloads[f.workload]; w.working > 0 || w.doneAt != 0 && w.doneAt >= f.Since {
		f.Severity = SeverityInfo
	}
	if f.Message == "" {
		f.Message = e.failedContainer(p)
	}
	e.add(f)
}

// failedContainer tells of the first container of a pod that ended with an exit code;
// empty where there is none.
func (e *evaluator) failedContainer(p *Pod) string {
	for c := range e.state.ContainersOf(p.Namespace, p.Name) {
		if c.State == Terminated && c.ExitCode != 0 {
			return fmt.Sprintf("container %s: %s", c.Name, exitMessage(c))
		}
	}
	return ""
}

// terminatingPod adds a pod that should have been gone for some minutes.
func (e *evaluator) terminatingPod(p *Pod) {
	late := p.DeletionAt.Time().Add(terminationSlack)
	if p.DeletionAt == 0 || p.Phase.Finished() && p.Node == "" {
		return
	}
	if !e.now.After(late) {
		e.reevaluateAt(late.Add(time.Second))
		e.unreadyWhileTerminating(p)
		return
	}
	if e.countWithNode(p) {
		return
	}
	f := e.ofPod(p, WhatTerminating, p.DeletionAt, 0)
	f.Severity = SeverityWarning
	f.Message = cmp.Or(p.Message, "its grace period is over; look for finalizers, volumes that cannot be unmounted, or a kubelet that does not answer")
	e.add(f)
}

// unreadyWhileTerminating adds a pod that has time left to terminate and has not been
// ready for longer than KubePodNotReady waits.
func (e *evaluator) unreadyWhileTerminating(p *Pod) {
	if p.NotReadySince == 0 || p.Phase.Finished() {
		return
	}
	if long := p.NotReadySince.Time().Add(longNotReady); e.now.Before(long) {
		e.reevaluateAt(long)
		return
	}
	if e.countWithNode(p) {
		return
	}
	f := e.ofPod(p, WhatNotReady, p.NotReadySince, podPatience)
	f.Severity, f.Message = SeverityWarning, "it is being deleted, and has not been ready for 15 minutes"
	e.add(f)
}

// container adds a container that does not work or is in a crash loop.
func (e *evaluator) container(p *Pod, c *Container) {
	if p.Terminating || p.Node == "" { // that is told of the pod
		return
	}
	if e.isDown(p.Node) {
		if e.firstTrouble(p, c) {
			e.countWithNode(p)
		}
		return
	}
	what, since, patience := e.whatOf(p, c)
	f := e.ofPod(p, what, since, patience)
	f.Kind, f.Where = "Container", p.Namespace+"/"+p.Name+"/"+c.Name
	f.Message = containerMessage(p, c)
	if c.Kind == Init {
		f.What = "Init:" + f.What
	}
	if what == whatImagePull {
		f.image, f.What = c.Image, what
	}
	e.add(f)
}

// firstTrouble reports whether c is the first container of its pod that is a finding.
func (e *evaluator) firstTrouble(p *Pod, c *Container) bool {
	for other := range e.state.ContainersOf(p.Namespace, p.Name) {
		if other.NotReadySince != 0 || other.CrashLooping(e.now) {
			return other == c
		}
	}
	return false
}

// whatOf returns what is wrong with a container, in a word that stays the same while the
// kubelet goes from one state to the next; since when; and the patience.
func (e *evaluator) whatOf(p *Pod, c *Container) (what string, since Time, patience time.Duration) {
	since = c.NotReadySince
	if c.Kind == Init {
		since = min(since, cmp.Or(p.NotReadySince, since))
	}
	switch {
	case c.CrashLooping(e.now):
		return WhatCrashLoop, c.CrashLoopSince, crashPatience
	case c.State == Terminated && cmp.Or(c.RestartPolicy, p.RestartPolicy) == RestartNever:
		return exitWord(c), cmp.Or(c.FinishedAt, since), failedPatience
	case c.State == Terminated:
		return exitWord(c), since, podPatience
	case c.State == Running:
		return WhatNotReady, since, podPatience
	case c.Reason == "ErrImagePull" || c.Reason == whatImagePull:
		return whatImagePull, since, podPatience
	}
	return cmp.Or(c.Reason, whatContainerCreating), since, podPatience
}

// exitMessage returns with which exit code a container ended, and what was said of it.
func exitMessage(c *Container) string {
	return strings.TrimSuffix(fmt.Sprintf("exit code %d: %s", c.ExitCode, c.Message), ": ")
}

// exitWord returns how a container ended, in a word: runtimes may give no reason.
func exitWord(c *Container) string {
	if c.Reason == "" && c.ExitCode == 0 {
		return "Completed"
	}
	return cmp.Or(c.Reason, "Error")
}

// containerMessage returns what the kubelet says of a container, and how it ended last.
func containerMessage(p *Pod, c *Container) string {
	message := c.Message
	switch {
	case c.State == Running && c.Kind == Init:
		message = "it runs, and the pod does not start before it has ended"
	case c.State == Running && !c.Ready:
		message = "it runs and is not ready: its startup or readiness probe does not succeed"
	case c.State == Terminated:
		message = exitMessage(c)
	case c.Reason == whatContainerCreating && message == "":
		message = "it has not been made yet; the events of the pod tell what it waits for, such as a volume or the network"
	}
	if c.Last != nil && c.Last.Reason != "" && c.State != Terminated {
		last := fmt.Sprintf("last exit: %s (%d)", c.Last.Reason, c.Last.ExitCode)
		message = strings.TrimPrefix(message+"; "+last, "; ")
	}
	return cmp.Or(message, p.Message)
}
