package prom

import (
	"strconv"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

var (
	phases     = []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"}
	qosClasses = []string{"Guaranteed", "Burstable", "BestEffort"}
)

func podFamilies() []family {
	of := func(f func(p *state.Pod, add adder)) func(*cluster, *sink) { return objects(state.KindPod, f) }
	return []family{
		{"kube_pod_info", "A pod, where it is and who made it.", model.MetricTypeGauge, Details, kubeState, of(podInfo)},
		{"kube_pod_created", "When a pod was made, in Unix seconds.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			if p.CreatedAt != 0 {
				add(float64(p.CreatedAt), "namespace", p.Namespace, "pod", p.Name)
			}
		})},
		{"kube_pod_owner", "Who made a pod: a Deployment and not its ReplicaSet.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			add(1, "namespace", p.Namespace, "pod", p.Name, "owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name, "owner_is_controller", "true")
		})},
		{"namespace_workload_pod:kube_pod_owner:relabel", "Who made a pod, under the name that the dashboards of kubernetes-mixin read.", model.MetricTypeGauge, Details, kubeState, of(podWorkload)},
		{"kube_pod_status_phase", "A pod's phase.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			one(add, p.Phase.String(), phases, "phase", "namespace", p.Namespace, "pod", p.Name)
		})},
		{"kube_pod_status_reason", "Why a pod is as it is, such as Evicted or Unschedulable, where there is a reason.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			if p.Reason != "" {
				add(1, "namespace", p.Namespace, "pod", p.Name, "reason", p.Reason)
			}
		})},
		{"kube_pod_status_qos_class", "A pod's quality of service.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			one(add, p.QOSClass.String(), qosClasses, "qos_class", "namespace", p.Namespace, "pod", p.Name)
		})},
		{"kube_pod_status_unschedulable", "Pods for which no node was found.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			if p.UnschedulableSince != 0 {
				add(1, "namespace", p.Namespace, "pod", p.Name)
			}
		})},
		{"kube_pod_spec_volumes_persistentvolumeclaims_info", "A claim that a pod mounts.", model.MetricTypeGauge, Details, kubeState, of(func(p *state.Pod, add adder) {
			for _, v := range p.Storage {
				add(1, "namespace", p.Namespace, "pod", p.Name, "persistentvolumeclaim", v.Claim, "mount_path", v.MountPath)
			}
		})},
		{"kube_persistentvolumeclaim_info", "A claim that a pod mounts; others are not known.", model.MetricTypeGauge, Details, kubeState, claims(func(v *state.Volume) (float64, bool) {
			return 1, true
		})},
		{"kubelet_volume_stats_capacity_bytes", "Size of a claim that a pod mounts, as the claim's status has it.", model.MetricTypeGauge, Details, kubelet, claims(func(v *state.Volume) (float64, bool) {
			return float64(v.CapacityBytes), v.CapacityBytes != 0
		})},
	}
}

func podInfo(p *state.Pod, add adder) {
	ip := ""
	if len(p.PodIPs) > 0 {
		ip = p.PodIPs[0]
	}
	add(1, "namespace", p.Namespace, "pod", p.Name, "node", p.Node, "pod_ip", ip, "host_network", strconv.FormatBool(p.HostNetwork),
		"created_by_kind", p.Owner.Kind, "created_by_name", p.Owner.Name)
}

// workloads are the kinds of owners as kubernetes-mixin writes them.
var workloads = map[string]string{
	"Deployment": "deployment", "DaemonSet": "daemonset", "StatefulSet": "statefulset", "Job": "job", "ReplicaSet": "replicaset", "Pod": "barepod", "Node": "staticpod",
}

func podWorkload(p *state.Pod, add adder) {
	kind, ok := workloads[p.Owner.Kind]
	if !ok {
		kind = p.Owner.Kind
	}
	add(1, "namespace", p.Namespace, "pod", p.Name, "workload", p.Owner.Name, "workload_type", kind)
}

// claims makes a series of each claim, however many pods mount it.
func claims(value func(v *state.Volume) (float64, bool)) func(*cluster, *sink) {
	return func(c *cluster, out *sink) {
		s := c.state()
		if s == nil {
			return
		}
		seen := map[[2]string]bool{}
		for e := range s.Entries(state.KindPod) {
			p := e.Object.(*state.Pod)
			for i := range p.Storage {
				v := &p.Storage[i]
				n, known := value(v)
				if key := [2]string{p.Namespace, v.Claim}; known && !seen[key] {
					seen[key] = true
					out.add(c.asItIs(e).holds(n), "namespace", p.Namespace, "persistentvolumeclaim", v.Claim)
				}
			}
		}
	}
}
