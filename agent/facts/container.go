package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// containerCreating is the reason that the kubelet sets for a container that it has not started yet. It is also used
// for a container without a status.
const containerCreating = "ContainerCreating"

// newContainer returns the fact of a container of a pod without NotReadySince and CrashLoopSince.
func newContainer(pod *PodInput, in *ContainerInput) *state.Container {
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
		c.State, c.Reason = stateWithoutStatus(pod)
	} else {
		addStatus(c, in.Status)
	}
	return c
}

// addStatus adds the status that the kubelet reports. The actual resources replace those of the spec, from which they
// differ during an in-place resize (KEP-1287).
func addStatus(c *state.Container, status *ContainerStatus) {
	if status.Image != c.Image {
		c.StatusImage = status.Image
	}
	c.ImageID = status.ImageID
	c.State = status.State
	c.Reason = truncateText(status.Reason)
	c.Message = truncateText(status.Message)
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

// stateWithoutStatus returns the state and reason of a container without a status: its pod is finished, has no node,
// or the kubelet has not started the container yet.
func stateWithoutStatus(pod *PodInput) (state.ContainerState, string) {
	switch {
	case pod.Phase == state.PodSucceeded:
		return state.Terminated, completed
	case pod.Phase == state.PodFailed:
		return state.Terminated, truncateText(pod.Reason)
	case pod.Scheduled.Status == state.False && pod.Scheduled.Reason != "":
		return state.Waiting, truncateText(pod.Scheduled.Reason)
	case pod.Node == "":
		return state.Waiting, string(corev1.PodPending)
	}
	return state.Waiting, containerCreating
}
