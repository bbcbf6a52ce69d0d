package facts

import (
	"cmp"

	"rollcall.dev/rollcall/api/state"
)

// A pod works when it does what it is there for. The rule says what a working pod is,
// so that what nobody thought of is not silently fine:
//
//   - an init container works once it has ended with exit code 0, or the pod is
//     initialized;
//   - a sidecar and a main container work while they run and are ready;
//   - a main container also works once it has ended with exit code 0, unless it is to be
//     started again;
//   - an ephemeral container does not matter;
//   - a pod works while all of its containers do and its condition Ready is not False.
//     Pods of Jobs that have an ended container are never ready, and work.
//
// Containers that wait for an init container or for a node are not blamed.

// workingContainer reports whether a container works.
func workingContainer(pod *PodInput, c *ContainerInput) bool {
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
		return s.ExitCode == 0 && policyOf(pod, c) != state.RestartAlways
	}
	return c.Kind != state.Init && s.State == state.Running && s.Ready
}

// policyOf returns the restart policy that holds for a container. Init containers of a
// pod that is to run for ever are started again only when they fail.
func policyOf(pod *PodInput, c *ContainerInput) state.RestartPolicy {
	policy := cmp.Or(c.RestartPolicy, pod.RestartPolicy, state.RestartAlways)
	switch {
	case c.Kind == state.Sidecar:
		return state.RestartAlways
	case c.Kind == state.Init && policy == state.RestartAlways:
		return state.RestartOnFailure
	}
	return policy
}

// blamed returns the containers of a pod that keep it from working, by index: the first
// init container or sidecar that does not work, while the pod initializes, else all
// that do not work.
func blamed(pod *PodInput) []bool {
	bad := make([]bool, len(pod.Containers))
	if pod.Phase.Finished() || pod.Node == "" {
		return bad
	}
	initializing := pod.Initialized.Status != state.True
	for i := range pod.Containers {
		c := &pod.Containers[i]
		bad[i] = !workingContainer(pod, c)
		if bad[i] && initializing && (c.Kind == state.Init || c.Kind == state.Sidecar && (c.Status == nil || !c.Status.Started)) {
			return bad
		}
	}
	return bad
}

// workingPod reports whether a pod works, given which containers do not.
func workingPod(pod *PodInput, bad []bool) bool {
	if pod.Phase.Finished() {
		return true
	}
	if pod.Phase != state.PodRunning {
		return false
	}
	ended := false
	for i := range bad {
		if bad[i] {
			return false
		}
		c := &pod.Containers[i]
		ended = ended || c.Kind == state.Main && c.Status != nil && c.Status.State == state.Terminated
	}
	return ended && pod.Controller.Kind == "Job" || pod.Ready.Type == "" || pod.Ready.Status == state.True
}

// containerNotReadySince returns since when a container that does not work has not, by
// what the API tells. alone says that it is the only one of its pod; wasWorking that it
// was seen working before. ContainersReady tells of all containers of the pod
// together, so its time is that of this one only where it is alone.
func containerNotReadySince(pod *PodInput, c *ContainerInput, alone, wasWorking bool, now state.Time) state.Time {
	var all, own state.Time
	if pod.ContainersReady.Type != "" && pod.ContainersReady.Status != state.True {
		all = pod.ContainersReady.Since
	}
	s := c.Status
	switch {
	case s == nil || s.State != state.Terminated && s.Last == nil && s.StartedAt == 0:
		own = neverStartedSince(pod, c.Kind)
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
	if alone && !wasWorking && own != 0 && all != 0 {
		return max(min(own, all), pod.CreatedAt)
	}
	return cmp.Or(own, all, now)
}

// neverStartedSince returns since when a container could have been started.
func neverStartedSince(pod *PodInput, kind state.ContainerKind) state.Time {
	since := pod.CreatedAt
	if pod.Scheduled.Status == state.True {
		since = max(since, pod.Scheduled.Since)
	}
	if kind == state.Main && pod.Initialized.Status == state.True {
		since = max(since, pod.Initialized.Since)
	}
	return since
}

// podNotReadySince returns since when a pod that does not work has not, by what the API
// tells.
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
