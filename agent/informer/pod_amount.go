package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// podAmounts returns a pod in Kubernetes' own type with only the fields from which the scheduler computes
// its requests.
func podAmounts(spec *slimpb.PodSpec, status *slimpb.PodStatus) *corev1.Pod {
	pod := &corev1.Pod{
		Spec: corev1.PodSpec{
			InitContainers: containerAmounts(spec.GetInitContainers()),
			Containers:     containerAmounts(spec.GetContainers()),
			Overhead:       amounts(spec.GetOverhead()),
			Resources:      decode[corev1.ResourceRequirements](spec.GetResources()),
		},
		Status: corev1.PodStatus{
			InitContainerStatuses: statusAmounts(status.GetInitContainerStatuses()),
			ContainerStatuses:     statusAmounts(status.GetContainerStatuses()),
			AllocatedResources:    amounts(status.GetAllocatedResources()),
			Resources:             actualResources(status.GetResources()),
		},
	}
	for _, part := range status.GetNodeAllocatableResourceClaimStatuses() {
		if claim := decode[corev1.NodeAllocatableResourceClaimStatus](part); claim != nil {
			pod.Status.NodeAllocatableResourceClaimStatuses = append(pod.Status.NodeAllocatableResourceClaimStatuses, *claim)
		}
	}
	if resize := podCondition(status, corev1.PodResizePending); resize != nil {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizePending, Reason: resize.GetReason()}}
	}
	return pod
}

// containerAmounts returns the containers with names and resources only.
func containerAmounts(list []*slimpb.Container) []corev1.Container {
	out := make([]corev1.Container, len(list))
	for i, c := range list {
		out[i].Name = c.GetName()
		if r := decode[corev1.ResourceRequirements](c.GetResources()); r != nil {
			out[i].Resources = *r
		}
		if policy := corev1.ContainerRestartPolicy(c.GetRestartPolicy()); policy != "" {
			out[i].RestartPolicy = &policy
		}
	}
	return out
}

// statusAmounts returns the statuses with names and resources only.
func statusAmounts(list []*slimpb.ContainerStatus) []corev1.ContainerStatus {
	out := make([]corev1.ContainerStatus, len(list))
	for i, s := range list {
		out[i].Name = s.GetName()
		out[i].AllocatedResources = amounts(s.GetAllocatedResources())
		out[i].Resources = actualResources(s.GetResources())
	}
	return out
}

// actualResources returns the resources of a status, without a memory limit that means
// unlimited.
func actualResources(part []byte) *corev1.ResourceRequirements {
	r := decode[corev1.ResourceRequirements](part)
	if r == nil {
		return nil
	}
	if limit, ok := r.Limits[corev1.ResourceMemory]; ok && limit.CmpInt64(unlimitedMemory) >= 0 {
		delete(r.Limits, corev1.ResourceMemory)
	}
	return r
}

// unlimitedMemory is the memory limit that the kernel reports for a cgroup v1 without one
// (PAGE_COUNTER_MAX), and that the kubelet then writes into the status.
const unlimitedMemory = 0x7ffffffffffff000
