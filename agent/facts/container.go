package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// containerCreating is what the kubelet says of a container that it has not come
// to yet, and what is said of one before the kubelet says anything.
const containerCreating = "ContainerCreating"

// container returns the fact of a container of a pod, but for since when it does not
// work.
func container(pod *PodInput, in *ContainerInput) *state.Container {
	c := &state.Container{
		Namespace:     pod.Namespace,
		Pod:           pod.Name,
		Name:          in.Name,
		Kind:          in.Kind,
		Node:          pod.Node,
		Image:         in.Image,
		Requests:      in.Requests,
		Limits:        in.Limits,
		RestartPolicy: in.RestartPolicy,
		RequestZeros:  in.RequestZeros,
		LimitZeros:    in.LimitZeros,
	}
	if in.Status == nil {
		c.NoStatus = true
		c.State, c.Reason = withoutStatus(pod)
	} else {
		addStatus(c, in.Status)
	}
	return c
}

// addStatus adds what the kubelet says. Resources in force win over the spec's,
// which they follow once an in-place resize is done (KEP-1287).
func addStatus(c *state.Container, status *ContainerStatus) {
	if status.Image != c.Image {
		c.StatusImage = status.Image
	}
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
	r := status.Resources
	if r == nil {
		return
	}
	if !sameAmounts(r.Requests, c.Requests) || !sameAmounts(r.Limits, c.Limits) {
		c.Spec = &state.ContainerResources{Requests: c.Requests, Limits: c.Limits}
	}
	c.Requests, c.Limits = r.Requests, r.Limits
}

// withoutStatus returns the state of a container of which the kubelet has not said
// anything: its pod has ended without it, has no node, or the kubelet has not come to
// it.
func withoutStatus(pod *PodInput) (state.ContainerState, string) {
	switch {
	case pod.Phase == state.PodSucceeded:
		return state.Terminated, completed
	case pod.Phase == state.PodFailed:
		return state.Terminated, text(pod.Reason)
	case pod.Scheduled.Status == state.False && pod.Scheduled.Reason != "":
		return state.Waiting, text(pod.Scheduled.Reason)
	case pod.Node == "":
		return state.Waiting, string(corev1.PodPending)
	}
	return state.Waiting, containerCreating
}
