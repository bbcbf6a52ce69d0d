package state

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// workloadKey identifies a workload for severity and grouping.
type workloadKey struct{ namespace, kind, name string }

// workload counts the pods of a workload.
type workload struct {
	// working is the number of working pods. doneAt is when the last succeeded pod ended.
	working int
	doneAt  Time
}

// workloadOf returns the workload of a pod. All Jobs of a CronJob are one workload, and so are the
// static pods of one name on all nodes. Any other pod without a workload is its own workload.
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

// cronJobOf returns a Job's name without the minute that a CronJob appends (getJobName of the
// CronJob controller).
func cronJobOf(job string) string {
	i := strings.LastIndexByte(job, '-')
	if minute := job[i+1:]; i <= 0 || len(minute) != 8 || strings.Trim(minute, "0123456789") != "" {
		return job
	}
	return job[:i]
}

// candidate is a pod or container that may become a finding.
type candidate struct {
	pod       *Pod
	container *Container
}

// containersAndPods adds the findings of pods and containers. It visits each pod and container
// once, and counts the pods of workloads only if one of their pods fails.
func (e *evaluator) containersAndPods() {
	found, listed := e.failingContainers()
	found = append(found, e.failingPods(listed)...)
	e.countWorkloads(found)
	for _, c := range found {
		if c.container != nil {
			e.container(c.pod, c.container)
		} else {
			e.pod(c.pod)
		}
	}
}

// failingContainers returns the containers that do not work or are in a crash loop, without those
// of finished pods. pods has the pods that have such a container.
func (e *evaluator) failingContainers() (found []candidate, pods map[podID]bool) {
	pods = map[podID]bool{}
	for c := range e.state.Containers() {
		crashLooping := c.CrashLooping(e.now)
		if crashLooping && c.State == Running {
			e.reevaluateAt(c.StartedAt.Time().Add(CrashLoopResetAfter))
		}
		if !crashLooping && c.NotReadySince == 0 {
			continue
		}
		id := podID{c.Namespace, c.Pod}
		entry, ok := e.state.Get(Key{Kind: KindPod, Namespace: c.Namespace, Name: c.Pod})
		if !ok || e.finished[id] {
			continue
		}
		if crashLooping {
			e.crashLooping[id] = true
		}
		pods[id] = true
		found = append(found, candidate{entry.Object.(*Pod), c})
	}
	return found, pods
}

// failingPods returns the pods that are findings as a whole. listed has the pods whose containers
// are findings.
func (e *evaluator) failingPods(listed map[podID]bool) []candidate {
	var found []candidate
	for p := range e.state.Pods() {
		switch {
		case p.Phase == PodFailed, p.Terminating, p.Reason == whatSchedulingGated && p.Node == "":
			found = append(found, candidate{pod: p})
		case p.NotReadySince != 0 && (p.Node == "" || !listed[podID{p.Namespace, p.Name}]):
			found = append(found, candidate{pod: p})
		}
	}
	return found
}

// countWorkloads counts the pods of all workloads with a candidate.
func (e *evaluator) countWorkloads(found []candidate) {
	if len(found) == 0 {
		return
	}
	for _, c := range found {
		e.workloads[workloadOf(c.pod)] = &workload{}
	}
	for p := range e.state.Pods() {
		w := e.workloads[workloadOf(p)]
		switch {
		case w == nil:
		case p.Phase == PodSucceeded:
			w.doneAt = max(w.doneAt, p.FinishedAt, p.CreatedAt)
		case e.isWorking(p):
			w.working++
		}
	}
}

// isWorking reports whether a pod works: it is running and ready, and so is its node.
func (e *evaluator) isWorking(p *Pod) bool {
	return p.Phase == PodRunning && !p.Terminating && (p.NotReadySince == 0 || e.partlyDone(p)) && !e.crashLooping[podID{p.Namespace, p.Name}] && !e.isDown(p.Node)
}

// partlyDone reports whether some main containers of a pod have completed while others run. Such a
// pod is not ready, and kubectl prints NotReady, but nothing has failed.
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

// severityOf returns the severity of a pod that does not work: critical if none of its workload's
// pods works, else warning.
func (e *evaluator) severityOf(p *Pod) Severity {
	if e.workloads[workloadOf(p)].working > 0 {
		return SeverityWarning
	}
	return SeverityCritical
}

// podFinding returns a finding with the fields that all findings of a pod share.
func (e *evaluator) podFinding(p *Pod, what string, since Time, threshold time.Duration) finding {
	return finding{
		Problem: Problem{
			Severity: e.severityOf(p), Kind: "Pod", What: what, Where: p.Namespace + "/" + p.Name, Owner: p.Owner,
			Since: cmp.Or(since, p.CreatedAt), Message: p.Message, Count: 1,
		},
		threshold: threshold, namespace: p.Namespace, node: p.Node, workload: workloadOf(p), mute: p.Mute,
	}
}

// countWithNode adds a pod to the finding of its node if the node is down, and reports whether it
// is.
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
		f := e.podFinding(p, whatSchedulingGated, p.CreatedAt, 0)
		f.Severity = SeverityInfo
		e.add(f)
	case p.Node == "":
		e.add(e.podFinding(p, cmp.Or(p.Reason, WhatNotScheduled), p.UnschedulableSince, podThreshold))
	case e.countWithNode(p):
	case p.Phase == PodUnknown:
		f := e.podFinding(p, cmp.Or(p.Reason, "Unknown"), p.NotReadySince, podThreshold)
		f.Message = cmp.Or(f.Message, "the kubelet does not report the pod's state; usually its node does not respond")
		e.add(f)
	case e.partlyDone(p):
		e.partlyDonePod(p)
	default:
		f := e.podFinding(p, WhatNotReady, p.NotReadySince, podThreshold)
		f.Message = cmp.Or(p.Message, p.Reason)
		e.add(f)
	}
}

// partlyDonePod adds a finding for a pod that is not ready because some of its containers have
// completed. It is a warning after the duration of KubePodNotReady.
func (e *evaluator) partlyDonePod(p *Pod) {
	f := e.podFinding(p, WhatNotReady, p.NotReadySince, podThreshold)
	f.Severity, f.Message = SeverityInfo, "some containers have completed and others still run, so the pod is not ready and gets no traffic from Services"
	if warnAt := f.Since.Time().Add(notReadyWarningAfter); e.now.Before(warnAt) {
		e.reevaluateAt(warnAt)
	} else {
		f.Severity = SeverityWarning
	}
	e.add(f)
}

// failedPod adds a finding for a failed pod. Its severity is info if other pods of its workload
// work, or if its Job has succeeded since.
func (e *evaluator) failedPod(p *Pod) {
	f := e.podFinding(p, cmp.Or(p.Reason, p.Status, WhatFailed), p.FinishedAt, failedThreshold)
	if w := e.workloads[f.workload]; w.working > 0 || w.doneAt != 0 && w.doneAt >= f.Since {
		f.Severity = SeverityInfo
	}
	if f.Message == "" {
		f.Message = e.failedContainer(p)
	}
	e.add(f)
}

// failedContainer describes the first container of a pod with a non-zero exit code; empty if there
// is none.
func (e *evaluator) failedContainer(p *Pod) string {
	for c := range e.state.ContainersOf(p.Namespace, p.Name) {
		if c.State == Terminated && c.ExitCode != 0 {
			return fmt.Sprintf("container %s: %s", c.Name, exitMessage(c))
		}
	}
	return ""
}

// terminatingPod adds a finding for a pod that still exists minutes after its grace period.
func (e *evaluator) terminatingPod(p *Pod) {
	deadline := p.DeletionAt.Time().Add(terminationLeeway)
	if p.DeletionAt == 0 || p.Phase.Finished() && p.Node == "" {
		return
	}
	if !e.now.After(deadline) {
		e.reevaluateAt(deadline.Add(time.Second))
		e.unreadyWhileTerminating(p)
		return
	}
	if e.countWithNode(p) {
		return
	}
	f := e.podFinding(p, WhatTerminating, p.DeletionAt, 0)
	f.Severity = SeverityWarning
	f.Message = cmp.Or(p.Message, "its grace period has expired; check for finalizers, volumes that cannot be unmounted, or a kubelet that does not respond")
	e.add(f)
}

// unreadyWhileTerminating adds a finding for a terminating pod within its grace period that has
// not been ready for the duration of KubePodNotReady.
func (e *evaluator) unreadyWhileTerminating(p *Pod) {
	if p.NotReadySince == 0 || p.Phase.Finished() {
		return
	}
	if warnAt := p.NotReadySince.Time().Add(notReadyWarningAfter); e.now.Before(warnAt) {
		e.reevaluateAt(warnAt)
		return
	}
	if e.countWithNode(p) {
		return
	}
	f := e.podFinding(p, WhatNotReady, p.NotReadySince, podThreshold)
	f.Severity, f.Message = SeverityWarning, "the pod is terminating and has not been ready for 15 minutes"
	e.add(f)
}

// container adds a finding for a container that does not work or is in a crash loop.
func (e *evaluator) container(p *Pod, c *Container) {
	if p.Terminating || p.Node == "" { // the pod's own finding covers it
		return
	}
	if e.isDown(p.Node) {
		if e.isFirstFailing(p, c) {
			e.countWithNode(p)
		}
		return
	}
	what, since, threshold := e.describe(p, c)
	f := e.podFinding(p, what, since, threshold)
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

// isFirstFailing reports whether c is the first failing container of its pod.
func (e *evaluator) isFirstFailing(p *Pod, c *Container) bool {
	for other := range e.state.ContainersOf(p.Namespace, p.Name) {
		if other.NotReadySince != 0 || other.CrashLooping(e.now) {
			return other == c
		}
	}
	return false
}

// describe returns a container's problem, its start and its threshold. The name of the problem
// does not change while the kubelet retries.
func (e *evaluator) describe(p *Pod, c *Container) (what string, since Time, threshold time.Duration) {
	since = c.NotReadySince
	if c.Kind == Init {
		since = min(since, cmp.Or(p.NotReadySince, since))
	}
	switch {
	case c.CrashLooping(e.now):
		return WhatCrashLoop, c.CrashLoopSince, crashLoopThreshold
	case c.State == Terminated && cmp.Or(c.RestartPolicy, p.RestartPolicy) == RestartNever:
		return exitReason(c), cmp.Or(c.FinishedAt, since), failedThreshold
	case c.State == Terminated:
		return exitReason(c), since, podThreshold
	case c.State == Running:
		return WhatNotReady, since, podThreshold
	case c.Reason == "ErrImagePull" || c.Reason == whatImagePull:
		return whatImagePull, since, podThreshold
	}
	return cmp.Or(c.Reason, whatContainerCreating), since, podThreshold
}

// exitMessage returns a container's exit code and termination message.
func exitMessage(c *Container) string {
	return strings.TrimSuffix(fmt.Sprintf("exit code %d: %s", c.ExitCode, c.Message), ": ")
}

// exitReason returns the reason why a container ended. Runtimes may give none.
func exitReason(c *Container) string {
	if c.Reason == "" && c.ExitCode == 0 {
		return "Completed"
	}
	return cmp.Or(c.Reason, "Error")
}

// containerMessage returns the kubelet's message about a container and its last exit.
func containerMessage(p *Pod, c *Container) string {
	message := c.Message
	switch {
	case c.State == Running && c.Kind == Init:
		message = "the init container is still running; the pod starts after it completes"
	case c.State == Running && !c.Ready:
		message = "the container is running but its startup or readiness probe fails"
	case c.State == Terminated:
		message = exitMessage(c)
	case c.Reason == whatContainerCreating && message == "":
		message = "the container has not been created yet; see the pod's events for the cause, such as a volume or the network"
	}
	if c.Last != nil && c.Last.Reason != "" && c.State != Terminated {
		last := fmt.Sprintf("last exit: %s (%d)", c.Last.Reason, c.Last.ExitCode)
		message = strings.TrimPrefix(message+"; "+last, "; ")
	}
	return cmp.Or(message, p.Message)
}
