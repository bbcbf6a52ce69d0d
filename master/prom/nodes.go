package prom

import (
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// tristates are the statuses of a condition as kube-state-metrics writes them.
var tristates = []string{"true", "false", "unknown"}

// internalIP is the type of the addresses that nodes have for each other.
const internalIP = "InternalIP"

func nodeFamilies() []family {
	of := func(f func(n *state.Node, add adder)) func(*cluster, *sink) { return objects(state.KindNode, f) }
	load := func(f func(l *state.NodeLoad, add adder)) func(*cluster, *sink) {
		return objects(state.KindNodeLoad, f)
	}
	return []family{
		{"kube_node_info", "A node and what runs on it.", model.MetricTypeGauge, Details, kubeState, of(nodeInfo)},
		{"kube_node_created", "When a node was made, in Unix seconds.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			created(add, n.CreatedAt, "node", n.Name)
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
		{"kube_node_status_addresses", "An address of a node.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			for _, a := range n.Addresses {
				add(1, "node", n.Name, "type", a.Type, "address", a.Address)
			}
		})},
		{"kube_node_status_condition", "The conditions of a node.", model.MetricTypeGauge, Details, kubeState, of(nodeConditions)},
		{"kube_node_status_capacity", "What a node has.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			kubeAmounts(add, &n.Capacity, n.CapacityZeros, "node", n.Name)
		})},
		{"kube_node_status_allocatable", "What a node has for pods.", model.MetricTypeGauge, Details, kubeState, of(func(n *state.Node, add adder) {
			kubeAmounts(add, &n.Allocatable, n.AllocatableZeros, "node", n.Name)
		})},
		{"rollcall_node_requested", "What unfinished pods bound to a node request, as the scheduler counts it.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			loadAmounts(add, &l.Requested, "node", l.Node)
		})},
		{"rollcall_node_limits", "What unfinished pods bound to a node may use at most.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			loadAmounts(add, &l.Limits, "node", l.Node)
		})},
		{"rollcall_node_pods", "Unfinished pods bound to a node.", model.MetricTypeGauge, Details, ours, load(func(l *state.NodeLoad, add adder) {
			add(float64(l.Pods), "node", l.Node)
		})},
		{"rollcall_node_problem", "A condition that speaks against a node, with its reason.", model.MetricTypeGauge, Details, ours, of(func(n *state.Node, add adder) {
			for i := range n.Conditions {
				if c := &n.Conditions[i]; c.Health() == state.ConditionBad {
					add(1, "node", n.Name, "condition", c.Type, "status", lower(c.Status), "reason", c.Reason)
				}
			}
		})},
	}
}

// nodeInfo has kube-state-metrics' labels and, behind them, those of the node's labels
// that dashboards group by.
func nodeInfo(n *state.Node, add adder) {
	internal := ""
	for _, a := range n.Addresses {
		if a.Type == internalIP {
			internal = a.Address // the last, as kube-state-metrics has it
		}
	}
	add(1, "node", n.Name, "kernel_version", n.KernelVersion, "os_image", n.OSImage, "container_runtime_version", n.ContainerRuntime,
		"kubelet_version", n.KubeletVersion, "kubeproxy_version", "deprecated", "provider_id", n.ProviderID, "pod_cidr", n.PodCIDR,
		"system_uuid", n.SystemUUID, "internal_ip", internal,
		"architecture", n.Architecture, "instance_type", n.InstanceType, "region", n.Region, "zone", n.Zone)
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
