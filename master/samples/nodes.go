package samples

import (
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

// conditionStatuses are the statuses of a condition, as kube-state-metrics writes them.
var conditionStatuses = []string{"true", "false", "unknown"}

// internalIP is the type of addresses in the cluster's own network.
const internalIP = "InternalIP"

func nodeFamilies() []Family {
	of := func(f func(n *state.Node, add addFunc)) func(*Cluster, *Collector) {
		return objectSeries(state.KindNode, f)
	}
	load := func(f func(l *state.NodeLoad, add addFunc)) func(*Cluster, *Collector) {
		return objectSeries(state.KindNodeLoad, f)
	}
	return []Family{
		{"kube_node_info", "Information about a node.", model.MetricTypeGauge, Details, kubeStateLabels, of(nodeInfo)},
		{"kube_node_created", "The creation time of a node, in Unix seconds.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			addTime(add, n.CreatedAt, "node", n.Name)
		})},
		{"kube_node_role", "A role of a node.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			for _, role := range n.Roles {
				add(1, "node", n.Name, "role", role)
			}
		})},
		{"kube_node_spec_unschedulable", "Whether a node is unschedulable.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			add(boolValue(!n.Schedulable), "node", n.Name)
		})},
		{"kube_node_spec_taint", "A taint of a node.", model.MetricTypeGauge, Details, kubeStateLabels, of(nodeTaints)},
		{"kube_node_status_addresses", "An address of a node.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			for _, a := range n.Addresses {
				add(1, "node", n.Name, "type", a.Type, "address", a.Address)
			}
		})},
		{"kube_node_status_condition", "The status of a node's conditions.", model.MetricTypeGauge, Details, kubeStateLabels, of(nodeConditions)},
		{"kube_node_status_capacity", "The capacity of a node.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			addKubeResources(add, &n.Capacity, n.CapacityZeros, "node", n.Name)
		})},
		{"kube_node_status_allocatable", "The resources of a node that are allocatable to pods.", model.MetricTypeGauge, Details, kubeStateLabels, of(func(n *state.Node, add addFunc) {
			addKubeResources(add, &n.Allocatable, n.AllocatableZeros, "node", n.Name)
		})},
		{"rollcall_node_requested", "The resource requests of the unfinished pods bound to a node, as the scheduler counts them.", model.MetricTypeGauge, Details, rollcallLabels, load(func(l *state.NodeLoad, add addFunc) {
			addLoadResources(add, &l.Requested, "node", l.Node)
		})},
		{"rollcall_node_limits", "The resource limits of the unfinished pods bound to a node.", model.MetricTypeGauge, Details, rollcallLabels, load(func(l *state.NodeLoad, add addFunc) {
			addLoadResources(add, &l.Limits, "node", l.Node)
		})},
		{"rollcall_node_pods", "Number of unfinished pods bound to a node.", model.MetricTypeGauge, Details, rollcallLabels, load(func(l *state.NodeLoad, add addFunc) {
			add(float64(l.Pods), "node", l.Node)
		})},
		{"rollcall_node_problem", "A condition that indicates a problem of a node, with its reason.", model.MetricTypeGauge, Details, rollcallLabels, of(func(n *state.Node, add addFunc) {
			for i := range n.Conditions {
				if c := &n.Conditions[i]; c.Health() == state.ConditionBad {
					add(1, "node", n.Name, "condition", c.Type, "status", lowerStatus(c.Status), "reason", c.Reason)
				}
			}
		})},
	}
}

// nodeInfo adds the labels of kube-state-metrics, and those labels of the node that dashboards
// commonly group by.
func nodeInfo(n *state.Node, add addFunc) {
	internal := ""
	for _, a := range n.Addresses {
		if a.Type == internalIP {
			internal = a.Address // the last one, as in kube-state-metrics
		}
	}
	add(1, "node", n.Name, "kernel_version", n.KernelVersion, "os_image", n.OSImage, "container_runtime_version", n.ContainerRuntime,
		"kubelet_version", n.KubeletVersion, "kubeproxy_version", "deprecated", "provider_id", n.ProviderID, "pod_cidr", n.PodCIDR,
		"system_uuid", n.SystemUUID, "internal_ip", internal,
		"architecture", n.Architecture, "instance_type", n.InstanceType, "region", n.Region, "zone", n.Zone)
}

func nodeTaints(n *state.Node, add addFunc) {
	for _, t := range n.Taints {
		add(1, "node", n.Name, "key", t.Key, "value", t.Value, "effect", t.Effect)
	}
}

func nodeConditions(n *state.Node, add addFunc) {
	for i := range n.Conditions {
		c := &n.Conditions[i]
		addEnum(add, lowerStatus(c.Status), conditionStatuses, "status", "node", n.Name, "condition", c.Type)
	}
}

func lowerStatus(t state.Tristate) string { return strings.ToLower(t.String()) }
