package prom

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// pressures are conditions that every kubelet sets, and that say nothing where they are
// not among a node's problems.
var pressures = []string{"DiskPressure", "MemoryPressure", "PIDPressure"}

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
		{"kube_node_status_condition", "Ready and the pressure conditions of a node, and any other that speaks against it.", model.MetricTypeGauge, Details, kubeState, of(nodeConditions)},
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
			for _, p := range n.Problems {
				add(1, "node", n.Name, "condition", p.Type, "status", lower(p.Status), "reason", p.Reason)
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
	is := map[string]state.Tristate{"Ready": n.Ready}
	for _, name := range pressures {
		is[name] = state.False
	}
	names := append([]string{"Ready"}, pressures...)
	for _, p := range n.Problems {
		if _, ok := is[p.Type]; !ok {
			names = append(names, p.Type)
		}
		is[p.Type] = p.Status
	}
	for _, name := range names {
		one(add, lower(is[name]), tristates, "status", "node", n.Name, "condition", name)
	}
}

func lower(t state.Tristate) string { return strings.ToLower(t.String()) }
