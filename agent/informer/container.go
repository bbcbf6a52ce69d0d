package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// containers returns a pod's containers of all kinds, in the order of the spec, with their
// statuses from in.
func (c podConverter) containers(pod *slimpb.Pod, amounts *corev1.Pod, in *facts.PodInput) []facts.ContainerInput {
	spec, status := pod.GetSpec(), pod.GetStatus()
	all := make([]facts.ContainerInput, 0, len(spec.GetInitContainers())+len(spec.GetContainers())+len(spec.GetEphemeralContainers()))
	for i, container := range spec.GetInitContainers() {
		one := c.container(container, initKind(container), &amounts.Spec.InitContainers[i].Resources)
		one.Status = findStatus(one.Name, in.InitStatuses)
		all = append(all, one)
	}
	for i, container := range spec.GetContainers() {
		one := c.container(container, state.Main, &amounts.Spec.Containers[i].Resources)
		one.Status = findStatus(one.Name, in.Statuses)
		all = append(all, one)
	}
	ephemeral := c.statuses(status.GetEphemeralContainerStatuses(), statusAmounts(status.GetEphemeralContainerStatuses()))
	for _, e := range spec.GetEphemeralContainers() {
		container := e.GetEphemeralContainerCommon()
		one := c.container(container, state.Ephemeral, decode[corev1.ResourceRequirements](container.GetResources()))
		one.Status = findStatus(one.Name, ephemeral)
		all = append(all, one)
	}
	return all
}

// initKind returns Sidecar (KEP-753) for a restartable init container, else Init.
func initKind(container *slimpb.Container) state.ContainerKind {
	if container.GetRestartPolicy() == string(corev1.ContainerRestartPolicyAlways) {
		return state.Sidecar
	}
	return state.Init
}

// container returns a container without its status. resources may be nil.
func (c podConverter) container(container *slimpb.Container, kind state.ContainerKind, resources *corev1.ResourceRequirements) facts.ContainerInput {
	in := facts.ContainerInput{
		Name:  c.interner.intern(container.GetName()),
		Kind:  kind,
		Image: c.interner.intern(container.GetImage()),
		Ports: c.ports(container.GetPorts()),

		RestartPolicy: restartPolicy(container.GetRestartPolicy()),
	}
	if resources != nil {
		in.Requests, in.Limits = facts.Resources(resources.Requests), facts.Resources(resources.Limits)
		in.RequestZeros, in.LimitZeros = facts.Zeros(resources.Requests), facts.Zeros(resources.Limits)
	}
	return in
}

// ports returns the ports of a container.
func (c podConverter) ports(list []*slimpb.ContainerPort) []facts.ContainerPort {
	out := make([]facts.ContainerPort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.ContainerPort{
			Protocol: protocol(p.GetProtocol()),
			Port:     port(p.GetContainerPort()),
			HostPort: port(p.GetHostPort()),
			HostIP:   c.interner.intern(p.GetHostIp()),
		})
	}
	return out
}

// findStatus returns the status of the named container, or nil if it has none yet.
func findStatus(name string, statuses []*facts.ContainerStatus) *facts.ContainerStatus {
	for _, s := range statuses {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// statuses returns container statuses in the API's order.
func (c podConverter) statuses(list []*slimpb.ContainerStatus, amounts []corev1.ContainerStatus) []*facts.ContainerStatus {
	out := make([]*facts.ContainerStatus, 0, len(list))
	for i, s := range list {
		out = append(out, c.status(s, amounts[i].Resources))
	}
	return out
}

// status returns a container status. resources may be nil.
func (c podConverter) status(status *slimpb.ContainerStatus, resources *corev1.ResourceRequirements) *facts.ContainerStatus {
	last := status.GetLastState().GetTerminated()
	out := &facts.ContainerStatus{
		Name:          c.interner.intern(status.GetName()),
		Image:         c.interner.intern(status.GetImage()),
		ImageID:       c.interner.intern(status.GetImageId()),
		Ready:         status.GetReady(),
		Started:       status.GetStarted(),
		Restarts:      status.GetRestartCount(),
		Last:          c.last(last),
		LastStartedAt: stateTime(last.GetStartedAt()),
	}
	c.addState(out, status.GetState())
	if resources != nil {
		out.Resources = &facts.ContainerResources{Requests: facts.Resources(resources.Requests), Limits: facts.Resources(resources.Limits)}
	}
	return out
}

// addState copies the state that is set, if one is.
func (c podConverter) addState(out *facts.ContainerStatus, in *slimpb.ContainerState) {
	running, terminated, waiting := in.GetRunning(), in.GetTerminated(), in.GetWaiting()
	switch {
	case running != nil:
		out.State = state.Running
		out.StartedAt = stateTime(running.GetStartedAt())
	case terminated != nil:
		out.State = state.Terminated
		out.Reason, out.Message = c.interner.intern(terminated.GetReason()), terminated.GetMessage()
		out.ExitCode, out.Signal = terminated.GetExitCode(), terminated.GetSignal()
		out.StartedAt = stateTime(terminated.GetStartedAt())
		out.FinishedAt = stateTime(terminated.GetFinishedAt())
	case waiting != nil:
		out.State = state.Waiting
		out.Reason, out.Message = c.interner.intern(waiting.GetReason()), waiting.GetMessage()
	}
}

// last returns the last termination, or nil if there is none.
func (c podConverter) last(t *slimpb.ContainerStateTerminated) *state.LastTermination {
	if t == nil {
		return nil
	}
	return &state.LastTermination{Reason: c.interner.intern(t.GetReason()), ExitCode: t.GetExitCode(), FinishedAt: stateTime(t.GetFinishedAt())}
}
