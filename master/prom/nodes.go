package prom

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

var tristates = []string{"true", "false", "unknown"}

func nodeFamilies() []family {
	of := func(f func(n *state.Node, add adder)) func(*cluster, *sink) { return objects(state.KindNode, f) }
	load := func(f func(l *state.NodeLoad, add adder)) func(*cluster, *sink) {
		return objects(state.KindNodeLoad, f)
	}
	return []family{
		{"kube_node_info", "A node and what runs on it.", model.MetricTypeGauge, Details, kubeState, of(nodeInfo)},
		{"kube_node_created", "When a node was made, in Unix seconds.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			if n.CreatedAt != 0 {
				add(float64(n.CreatedAt), "node", n.Name)
			}
		})},
		{"kube_node_role", "A role of a node.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			for _, role := range n.Roles {
				add(1, "node", n.Name, "role", role)
			}
		})},
		{"kube_node_spec_unschedulable", "Whether a node takes no new pods.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			add(truth(!n.Schedulable), "node", n.Name)
		})},
		{"kube_node_spec_taint", "A taint of a node.", model.MetricTypeGauge, Details, kubeState, of(nodeTaints)},
		{"kube_node_status_condition", "The conditions of a node.", model.MetricTypeGauge, Details, kubeState, of(nodeConditions)},
		{"kube_node_status_capacity", "What a node has.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			amounts(add, &n.Capacity, true, "node", n.Name)
		})},
		{"kube_node_status_allocatable", "What a node has for pods.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			amounts(add, &n.Allocatable, true, "node", n.Name)
		})},
		{"rollcall_node_requested", "What unfinished pods bound to a node request, as the scheduler counts it.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			amounts(add, &l.Requested, true, "node", l.Node)
		})},
		{"rollcall_node_limits", "What unfinished pods bound to a node may use at most.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			amounts(add, &l.Limits, true, "node", l.Node)
		})},
		{"rollcall_node_pods", "Unfinished pods bound to a node.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			add(float64(l.Pods), "node", l.Node)
		})},
		{"rollcall_node_problem", "A condition that speaks against a node, with its reason.", model.MetricTypeGauge, Details, ours, of(func(n *state.Node, add adder) {
			for i := range n.Conditions {
				if c := &n.Conditions[i]; c.Verdict() == state.ConditionBad {
					add(1, "node", n.Name, "condition", c.Type, "status", lower(c.Status), "reason", c.Reason)
				}
			}
		})},
	}
}

func nodeInfo(n *state.Node, add adder) {
	internal := ""
	if i := slices.IndexFunc(n.Addresses, func(a state.NodeAddress) bool { return a.Type == "InternalIP" }); i >= 0 {
		internal = n.Addresses[i].Address
	}
	add(1, "node", n.Name, "kernel_version", n.KernelVersion, "os_image", n.OSImage, "container_runtime_version", n.ContainerRuntime,
		"kubelet_version", n.KubeletVersion, "internal_ip", internal, "architecture", n.Architecture,
		"instance_type", n.InstanceType, "region", n.Region, "zone", n.Zone)
}

func nodeTaints(n *state.Node, add adder) {
	for _, t := range n.Taints {
		add(1, "node", n.Name, "key", t.Key, "value", t.Value, "effect", t.Effect)
	}
}

func nodeConditions(n *state.Node, add adder) {
	for i := range n.Conditions {
		c := &n.Conditions[i]
		one(add, lower(c.Status), tristates, "status", "node", n.Name, "condition", c.Type)
	}
}

func lower(t state.Tristate) string { return strings.ToLower(t.String()) }
