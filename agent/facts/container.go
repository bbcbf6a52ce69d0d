package facts

import "rollcall.dev/rollcall/api/state"

// containerCreating is what the kubelet says of a container that it has not come
// to yet, and what is said of one before the kubelet says anything.
const containerCreating = "ContainerCreating"

// Container is what is known of a container of a pod.
func Container(pod *PodInput, in *ContainerInput) *state.Container {
	c := &state.Container{
		Namespace: pod.Namespace,
		Pod:       pod.Name,
		Name:      in.Name,
		Kind:      in.Kind,
		Node:      pod.Node,
		Image:     in.Image,
		Requests:  in.Requests,
		Limits:    in.Limits,
	}
	if in.Status == nil {
		c.State, c.Reason = state.Waiting, unstartedReason(pod.Scheduled)
	} else {
		addStatus(c, in.Status)
	}
	if c.State == state.Waiting {
		c.WaitingSince = waitingSince(pod, c)
	}
	return c
}

// addStatus adds what the kubelet says. Resources in force win over the spec's,
// which they follow once an in-place resize is done (KEP-1287).
func addStatus(c *state.Container, status *ContainerStatus) {
	c.ImageID = status.ImageID
	c.State = status.State
	c.Reason = text(status.Reason)
	c.Message = text(status.Message)
	c.ExitCode = status.ExitCode
	c.Ready = status.Ready
	c.Restarts = status.Restarts
	c.StartedAt = status.StartedAt
	c.FinishedAt = status.FinishedAt
	c.Last = status.Last
	if status.Resources != nil {
		c.Requests, c.Limits = status.Resources.Requests, status.Resources.Limits
	}
}

// unstartedReason is why a container without any status waits: its pod has no
// node, or the kubelet has not come to it.
func unstartedReason(scheduled Condition) string {
	if scheduled.Status == state.False && scheduled.Reason != "" {
		return text(scheduled.Reason)
	}
	return containerCreating
}
