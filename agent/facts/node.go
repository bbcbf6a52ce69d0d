package facts

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// NewNode returns the fact of a node without NotReadySince, FlappingSince and FlappingUntil.
func NewNode(in *NodeInput) *state.Node {
	return &state.Node{
		Name:             in.Name,
		Ready:            readyStatus(in.Conditions),
		Schedulable:      !in.Unschedulable,
		Conditions:       nodeConditions(in.Conditions),
		Roles:            roles(in.Labels),
		Addresses:        in.Addresses,
		Zone:             cmp.Or(in.Labels[corev1.LabelTopologyZone], in.Labels[corev1.LabelFailureDomainBetaZone]),
		Region:           cmp.Or(in.Labels[corev1.LabelTopologyRegion], in.Labels[corev1.LabelFailureDomainBetaRegion]),
		InstanceType:     cmp.Or(in.Labels[corev1.LabelInstanceTypeStable], in.Labels[corev1.LabelInstanceType]),
		Taints:           sortedTaints(in.Taints),
		KubeletVersion:   in.KubeletVersion,
		KernelVersion:    in.KernelVersion,
		OSImage:          in.OSImage,
		Architecture:     in.Architecture,
		ContainerRuntime: in.ContainerRuntime,
		KubeProxyVersion: in.KubeProxyVersion,
		SystemUUID:       in.SystemUUID,
		ProviderID:       in.ProviderID,
		PodCIDR:          in.PodCIDR,
		Mute:             truncateText(in.Mute),
		CreatedAt:        in.CreatedAt,
		Capacity:         in.Capacity,
		Allocatable:      in.Allocatable,
		CapacityZeros:    in.CapacityZeros,
		AllocatableZeros: in.AllocatableZeros,
	}
}

const (
	rolePrefix = "node-role.kubernetes.io/"
	roleLabel  = "kubernetes.io/role"
)

// roles returns the roles of a node as `kubectl get nodes` does, in ascending order.
func roles(labels map[string]string) []string {
	var found []string
	for label, value := range labels {
		if role, ok := strings.CutPrefix(label, rolePrefix); ok && role != "" {
			found = append(found, role)
		}
		if label == roleLabel && value != "" {
			found = append(found, value)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// sortedTaints returns the taints sorted by key, effect and value.
func sortedTaints(taints []state.Taint) []state.Taint {
	sorted := append([]state.Taint(nil), taints...)
	slices.SortFunc(sorted, func(a, b state.Taint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect), cmp.Compare(a.Value, b.Value))
	})
	return sorted
}
