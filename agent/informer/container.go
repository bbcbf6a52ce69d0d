package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// containers are a pod's containers of all kinds, in the order of its spec.
func (c podConverter) containers(pod *corev1.Pod) []facts.ContainerInput {
	spec, status := &pod.Spec, &pod.Status
	all := make([]facts.ContainerInput, 0, len(spec.InitContainers)+len(spec.Containers)+len(spec.EphemeralContainers))
	for i := range spec.InitContainers {
		container := &spec.InitContainers[i]
		all = append(all, c.container(container, initKind(container), status.InitContainerStatuses))
	}
	for i := range spec.Containers {
		all = append(all, c.container(&spec.Containers[i], state.Main, status.ContainerStatuses))
	}
	for i := range spec.EphemeralContainers {
		container := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		all = append(all, c.container(&container, state.Ephemeral, status.EphemeralContainerStatuses))
	}
	return all
}

// initKind tells sidecars (KEP-753) from init containers that end.
func initKind(container *corev1.Container) state.ContainerKind {
	if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
		return state.Sidecar
	}
	return state.Init
}

func (c podConverter) container(container *corev1.Container, kind state.ContainerKind, statuses []corev1.ContainerStatus) facts.ContainerInput {
	in := facts.ContainerInput{
		Name:     c.shared.of(container.Name),
		Kind:     kind,
		Image:    c.shared.of(container.Image),
		Requests: facts.Resources(container.Resources.Requests),
		Limits:   facts.Resources(container.Resources.Limits),
		Ports:    c.ports(container.Ports),
	}
	for i := range statuses {
		if statuses[i].Name == container.Name {
			in.Status = c.status(&statuses[i])
		}
	}
	return in
}

func (c podConverter) ports(list []corev1.ContainerPort) []facts.ContainerPort {
	out := make([]facts.ContainerPort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.ContainerPort{
			Protocol: protocol(p.Protocol),
			Port:     port(p.ContainerPort),
			HostPort: port(p.HostPort),
			HostIP:   c.shared.of(p.HostIP),
		})
	}
	return out
}

func (c podConverter) status(status *corev1.ContainerStatus) *facts.ContainerStatus {
	out := &facts.ContainerStatus{
		ImageID:  c.shared.of(status.ImageID),
		Ready:    status.Ready,
		Restarts: status.RestartCount,
		Last:     c.last(status.LastTerminationState.Terminated),
	}
	c.addState(out, &status.State)
	if r := status.Resources; r != nil {
		out.Resources = &facts.ContainerResources{Requests: facts.Resources(r.Requests), Limits: facts.Resources(r.Limits)}
	}
	return out
}

// addState adds the member that is set, if one is.
func (c podConverter) addState(out *facts.ContainerStatus, in *corev1.ContainerState) {
	switch {
	case in.Running != nil:
		out.State = state.Running
		out.StartedAt = state.TimeOf(in.Running.StartedAt.Time)
	case in.Terminated != nil:
		out.State = state.Terminated
		out.Reason, out.Message = c.shared.of(in.Terminated.Reason), in.Terminated.Message
		out.ExitCode = in.Terminated.ExitCode
		out.StartedAt = state.TimeOf(in.Terminated.StartedAt.Time)
		out.FinishedAt = state.TimeOf(in.Terminated.FinishedAt.Time)
	case in.Waiting != nil:
		out.State = state.Waiting
		out.Reason, out.Message = c.shared.of(in.Waiting.Reason), in.Waiting.Message
	}
}

func (c podConverter) last(t *corev1.ContainerStateTerminated) *state.LastTermination {
	if t == nil {
		return nil
	}
	return &state.LastTermination{Reason: c.shared.of(t.Reason), ExitCode: t.ExitCode, FinishedAt: state.TimeOf(t.FinishedAt.Time)}
}
