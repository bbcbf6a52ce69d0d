package facts

import (
	"cmp"

	"rollcall.dev/rollcall/api/state"
)

// This file defines which pods are working. Every other pod is not working, so that unexpected conditions count as a
// problem:
//
//   - An init container is working if it has terminated with exit code 0, or the pod is initialized.
//   - A sidecar or main container is working if it is running and ready.
//   - A main container is also working if it has terminated with exit code 0 and will not be restarted.
//   - Ephemeral containers are always working.
//   - A pod is working if all of its containers are working and its condition Ready is not False. A pod of a Job with a
//     terminated container is working although it is not Ready.
//
// Containers that wait for a node or for an init container do not keep a pod from working themselves.

// isWorkingContainer reports whether a container is working.
func isWorkingContainer(pod *PodInput, c *ContainerInput) bool {
	if c.Kind == state.Ephemeral {
		return true
	}
	s := c.Status
	if c.Kind == state.Init && pod.Initialized.Status == state.True {
		return true
	}
	switch {
	case s == nil:
		return false
	case s.State == state.Terminated:
		return s.ExitCode == 0 && restartPolicyOf(pod, c) != state.RestartAlways
	}
	return c.Kind != state.Init && s.State == state.Running && s.Ready
}

// restartPolicyOf returns the effective restart policy of a container. With the policy Always of the pod, init
// containers are restarted only if they fail.
func restartPolicyOf(pod *PodInput, c *ContainerInput) state.RestartPolicy {
	policy := cmp.Or(c.RestartPolicy, pod.RestartPolicy, state.RestartAlways)
	switch {
	case c.Kind == state.Sidecar:
		return state.RestartAlways
	case c.Kind == state.Init && policy == state.RestartAlways:
		return state.RestartOnFailure
	}
	return policy
}

// blockingContainers reports for each container of a pod whether it keeps the pod from working. While the pod
// initializes, this is the first init container or sidecar that is not working, else all containers that are not
// working.
func blockingContainers(pod *PodInput) []bool {
	blocking := make([]bool, len(pod.Containers))
	if pod.Phase.Finished() || pod.Node == "" {
		return blocking
	}
	initializing := pod.Initialized.Status != state.True
	for i := range pod.Containers {
		c := &pod.Containers[i]
		blocking[i] = !isWorkingContainer(pod, c)
		if blocking[i] && initializing && (c.Kind == state.Init || c.Kind == state.Sidecar && (c.Status == nil || !c.Status.Started)) {
			return blocking
		}
	}
	return blocking
}

// isWorkingPod reports whether a pod is working. blocking is the result of blockingContainers.
func isWorkingPod(pod *PodInput, blocking []bool) bool {
	if pod.Phase.Finished() {
		return true
	}
	if pod.Phase != state.PodRunning {
		return false
	}
	terminated := false
	for i := range blocking {
		if blocking[i] {
			return false
		}
		c := &pod.Containers[i]
		terminated = terminated || c.Kind == state.Main && c.Status != nil && c.Status.State == state.Terminated
	}
	return terminated && pod.Controller.Kind == "Job" || pod.Ready.Type == "" || pod.Ready.Status == state.True
}

// containerNotReadySince returns since when a container has not been working, according to the API. only reports
// whether it is the only container of its pod that is not working. wasWorking reports whether it was seen working
// before. The condition ContainersReady is about all containers of the pod, so its time is used for this one only if
// it is the only one.
func containerNotReadySince(pod *PodInput, c *ContainerInput, only, wasWorking bool, now state.Time) state.Time {
	var all, own state.Time
	if pod.ContainersReady.Type != "" && pod.ContainersReady.Status != state.True {
		all = pod.ContainersReady.Since
	}
	s := c.Status
	switch {
	case s == nil || s.State != state.Terminated && s.Last == nil && s.StartedAt == 0:
		own = startableSince(pod, c.Kind)
	case s.State == state.Terminated:
		own = s.FinishedAt
	case s.State == state.Running && wasWorking:
		return now
	case s.State == state.Running && all > s.StartedAt:
		return all
	case s.Last != nil:
		own = s.Last.FinishedAt
	default:
		own = s.StartedAt
	}
	if only && !wasWorking && own != 0 && all != 0 {
		return max(min(own, all), pod.CreatedAt)
	}
	return cmp.Or(own, all, now)
}

// startableSince returns since when a container that never started could have been started.
func startableSince(pod *PodInput, kind state.ContainerKind) state.Time {
	since := pod.CreatedAt
	if pod.Scheduled.Status == state.True {
		since = max(since, pod.Scheduled.Since)
	}
	if kind == state.Main && pod.Initialized.Status == state.True {
		since = max(since, pod.Initialized.Since)
	}
	return since
}

// podNotReadySince returns since when a pod has not been working, according to the API.
func podNotReadySince(pod *PodInput, containers []*state.Container, now state.Time) state.Time {
	if pod.Ready.Type != "" && pod.Ready.Status != state.True && pod.Ready.Since != 0 {
		return pod.Ready.Since
	}
	var since state.Time
	for _, c := range containers {
		if c.NotReadySince != 0 && (since == 0 || c.NotReadySince < since) {
			since = c.NotReadySince
		}
	}
	return cmp.Or(since, pod.CreatedAt, now)
}
