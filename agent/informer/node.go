package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// NodeInput is what the facts need of a Node.
func NodeInput(node *corev1.Node) *facts.NodeInput {
	info := node.Status.NodeInfo
	return &facts.NodeInput{
		Name:             node.Name,
		Labels:           node.Labels,
		CreatedAt:        state.TimeOf(node.CreationTimestamp.Time),
		Unschedulable:    node.Spec.Unschedulable,
		Taints:           taints(node.Spec.Taints),
		Conditions:       nodeConditions(node.Status.Conditions),
		Addresses:        addresses(node.Status.Addresses),
		Capacity:         facts.Resources(node.Status.Capacity),
		Allocatable:      facts.Resources(node.Status.Allocatable),
		KubeletPort:      port(node.Status.DaemonEndpoints.KubeletEndpoint.Port),
		KubeletVersion:   info.KubeletVersion,
		KernelVersion:    info.KernelVersion,
		OSImage:          info.OSImage,
		Architecture:     info.Architecture,
		ContainerRuntime: info.ContainerRuntimeVersion,
	}
}

func taints(list []corev1.Taint) []state.Taint {
	out := make([]state.Taint, 0, len(list))
	for _, t := range list {
		out = append(out, state.Taint{Key: t.Key, Value: t.Value, Effect: string(t.Effect)})
	}
	return out
}

func nodeConditions(list []corev1.NodeCondition) []facts.Condition {
	out := make([]facts.Condition, 0, len(list))
	for _, c := range list {
		out = append(out, facts.Condition{
			Type:    string(c.Type),
			Status:  tristate(c.Status),
			Reason:  c.Reason,
			Message: c.Message,
			Since:   state.TimeOf(c.LastTransitionTime.Time),
		})
	}
	return out
}

func addresses(list []corev1.NodeAddress) []state.NodeAddress {
	out := make([]state.NodeAddress, 0, len(list))
	for _, a := range list {
		out = append(out, state.NodeAddress{Type: string(a.Type), Address: a.Address})
	}
	return out
}
