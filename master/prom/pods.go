package prom

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

var (
	phases     = []string{"Pending", "Running", "Succeeded", "Failed", "Unknown"}
	qosClasses = []string{"Guaranteed", "Burstable", "BestEffort"}
	// statusReasons are those that kube-state-metrics knows for kube_pod_status_reason.
	statusReasons = []string{"Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"}
)

// podSet gathers families of pods.
type podSet []family

func podFamilies() []family {
	var s podSet
	s.identity()
	s.status()
	s.own()
	return append(s, family{
		"kube_pod_status_reason", "Whether a pod, one of its conditions or one of its ended containers has one of a fixed set of reasons.",
		model.MetricTypeGauge, Details, kubeState, objectsIn(state.KindPod, podReasons),
	}, family{
		"kube_pod_completion_time", "When the last container of a pod that has ended did so, in Unix seconds.",
		model.MetricTypeGauge, Details, kubeState, objectsIn(state.KindPod, podCompletion),
	})
}

// podCompletion adds when the last main container of a pod ended, as kube-state-metrics
// does: also where others of them still run.
func podCompletion(s *state.State, p *state.Pod, add adder) {
	var last state.Time
	for k := range s.ContainersOf(p.Namespace, p.Name) {
		if k.Kind == state.Main && k.State == state.Terminated {
			last = max(last, k.FinishedAt)
		}
	}
	created(add, last, "namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String())
}

// add adds a family; f is given the labels that name the pod.
func (s *podSet) add(name, help string, scraped []string, f func(p *state.Pod, add adder, labels []string)) {
	each := objects(state.KindPod, func(p *state.Pod, add adder) {
		f(p, add, []string{"namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String()})
	})
	*s = append(*s, family{name, help, model.MetricTypeGauge, Details, scraped, each})
}

// known adds a family of kube-state-metrics.
func (s *podSet) known(name, help string, f func(p *state.Pod, add adder, labels []string)) {
	s.add("kube_pod_"+name, help, kubeState, f)
}

// instant adds a family of kube-state-metrics that is a time.
func (s *podSet) instant(name, help string, at func(p *state.Pod) state.Time) {
	s.known(name, help, func(p *state.Pod, add adder, labels []string) { created(add, at(p), labels...) })
}

// identity adds what a pod is, whose it is and when it was what.
func (s *podSet) identity() {
	s.known("info", "A pod, where it is and who made it.", podInfo)
	s.known("ips", "An address of a pod.", podIPs)
	s.instant("created", "When a pod was made, in Unix seconds.", func(p *state.Pod) state.Time { return p.CreatedAt })
	s.instant("start_time", "When the kubelet took a pod up, in Unix seconds.", func(p *state.Pod) state.Time { return p.StartedAt })
	s.instant("deletion_timestamp", "When the grace period of a pod that is being deleted ends, in Unix seconds.", func(p *state.Pod) state.Time { return p.DeletionAt })
	s.known("owner", "Who made a pod: its controller, such as a ReplicaSet.", podOwner)
	s.known("spec_volumes_persistentvolumeclaims_info", "A claim that a pod names as a volume.", func(p *state.Pod, add adder, labels []string) {
		for i := range p.Storage {
			if v := &p.Storage[i]; !v.Ephemeral {
				add(1, append(slices.Clip(labels), "volume", v.Name, "persistentvolumeclaim", v.Claim)...)
			}
		}
	})
}

// status adds how a pod stands.
func (s *podSet) status() {
	s.known("restart_policy", "When a pod's containers are started again.", func(p *state.Pod, add adder, labels []string) {
		if p.RestartPolicy != state.RestartPolicyNone {
			add(1, append(labels, "type", p.RestartPolicy.String())...)
		}
	})
	s.known("status_phase", "A pod's phase.", func(p *state.Pod, add adder, labels []string) {
		one(add, p.Phase.String(), phases, "phase", labels...)
	})
	s.known("status_ready", "Whether a pod is ready.", func(p *state.Pod, add adder, labels []string) {
		condition(add, p.ReadyCondition, labels)
	})
	s.known("status_scheduled", "Whether a pod has got a node.", func(p *state.Pod, add adder, labels []string) {
		condition(add, p.ScheduledCondition, labels)
	})
	s.known("status_unschedulable", "Pods that the scheduler could not give a node, or that have scheduling gates.", func(p *state.Pod, add adder, labels []string) {
		if p.ScheduledCondition == state.ConditionFalse {
			add(1, labels...)
		}
	})
	s.known("status_qos_class", "A pod's quality of service.", func(p *state.Pod, add adder, labels []string) {
		if p.QOSClass != state.QOSUnknown {
			one(add, p.QOSClass.String(), qosClasses, "qos_class", labels...)
		}
	})
}

// own adds what Rollcall knows of a pod and kube-state-metrics does not.
func (s *podSet) own() {
	s.add("rollcall_pod_workload", "The workload of a pod: a Deployment or Rollout and not its ReplicaSet, and the pod itself where nobody made it.", ours, func(p *state.Pod, add adder, labels []string) {
		add(1, append(labels, "owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name)...)
	})
	s.add("rollcall_pod_status_reason", "Why a pod is as it is, such as Evicted or Unschedulable, where there is a reason.", ours, func(p *state.Pod, add adder, labels []string) {
		if p.Reason != "" {
			add(1, append(labels, "reason", p.Reason)...)
		}
	})
	s.add("rollcall_pod_volume_mount_info", "Where a pod mounts a claim, those of ephemeral volumes too.", ours, func(p *state.Pod, add adder, labels []string) {
		for i := range p.Storage {
			v := &p.Storage[i]
			add(1, append(slices.Clip(labels), "volume", v.Name, "persistentvolumeclaim", v.Claim, "mount_path", v.MountPath)...)
		}
	})
}

func podInfo(p *state.Pod, add adder, labels []string) {
	ip := ""
	if len(p.PodIPs) > 0 {
		ip = p.PodIPs[0]
	}
	add(1, append(labels, "host_ip", p.HostIP, "pod_ip", ip, "node", p.Node, "created_by_kind", p.Controller.Kind, "created_by_name", p.Controller.Name,
		"priority_class", p.PriorityClass, "host_network", strconv.FormatBool(p.HostNetwork))...)
}

func podIPs(p *state.Pod, add adder, labels []string) {
	for _, ip := range p.PodIPs {
		address, err := netip.ParseAddr(ip)
		if err != nil {
			continue
		}
		ipFamily := "6"
		if address.Unmap().Is4() {
			ipFamily = "4"
		}
		add(1, append(slices.Clip(labels), "ip", ip, "ip_family", ipFamily)...)
	}
}

// podOwner is a row of no owner for a pod that nobody made.
func podOwner(p *state.Pod, add adder, labels []string) {
	controller := ""
	if p.Controller.Kind != "" {
		controller = "true"
	}
	add(1, append(labels, "owner_kind", p.Controller.Kind, "owner_name", p.Controller.Name, "owner_is_controller", controller)...)
}

// condition adds the statuses of a condition that is there: 1 with the one that it has.
func condition(add adder, is state.ConditionStatus, labels []string) {
	if is != state.ConditionNone {
		one(add, strings.ToLower(is.String()), tristates, "condition", labels...)
	}
}

func podReasons(s *state.State, p *state.Pod, add adder) {
	is := map[string]bool{p.Reason: true}
	for k := range s.ContainersOf(p.Namespace, p.Name) {
		if k.Kind == state.Main && k.State == state.Terminated && !k.NoStatus {
			is[k.Reason] = true
		}
	}
	for _, reason := range statusReasons {
		add(truth(is[reason]), "namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String(), "reason", reason)
	}
}
