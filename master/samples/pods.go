package samples

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
	// statusReasons are the values of the label reason of kube_pod_status_reason, as in
	// kube-state-metrics.
	statusReasons = []string{"Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError"}
)

// podSet builds the families of pods.
type podSet []Family

func podFamilies() []Family {
	var s podSet
	s.addMetadata()
	s.addStatus()
	s.addOwn()
	return append(s, Family{
		"kube_pod_status_reason", "Whether a pod, one of its conditions or one of its terminated containers has the reason.",
		model.MetricTypeGauge, Details, kubeStateLabels, objectSeriesIn(state.KindPod, podReasons),
	}, Family{
		"kube_pod_completion_time", "When the last main container of a pod terminated, in Unix seconds.",
		model.MetricTypeGauge, Details, kubeStateLabels, objectSeriesIn(state.KindPod, podCompletion),
	})
}

// podCompletion adds when the last main container of a pod terminated. As in kube-state-metrics,
// others may still be running.
func podCompletion(s *state.State, p *state.Pod, add addFunc) {
	var last state.Time
	for k := range s.ContainersOf(p.Namespace, p.Name) {
		if k.Kind == state.Main && k.State == state.Terminated {
			last = max(last, k.FinishedAt)
		}
	}
	addTime(add, last, "namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String())
}

// add adds a family. labels identify the pod.
func (s *podSet) add(name, help string, scrapeLabels []string, f func(p *state.Pod, add addFunc, labels []string)) {
	each := objectSeries(state.KindPod, func(p *state.Pod, add addFunc) {
		f(p, add, []string{"namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String()})
	})
	*s = append(*s, Family{name, help, model.MetricTypeGauge, Details, scrapeLabels, each})
}

// addKube adds a family of kube-state-metrics.
func (s *podSet) addKube(name, help string, f func(p *state.Pod, add addFunc, labels []string)) {
	s.add("kube_pod_"+name, help, kubeStateLabels, f)
}

// addKubeTime adds a family of kube-state-metrics whose value is a time.
func (s *podSet) addKubeTime(name, help string, at func(p *state.Pod) state.Time) {
	s.addKube(name, help, func(p *state.Pod, add addFunc, labels []string) { addTime(add, at(p), labels...) })
}

// addMetadata adds the families of a pod's metadata and spec.
func (s *podSet) addMetadata() {
	s.addKube("info", "Information about a pod.", podInfo)
	s.addKube("ips", "An address of a pod.", podIPs)
	s.addKubeTime("created", "The creation time of a pod, in Unix seconds.", func(p *state.Pod) state.Time { return p.CreatedAt })
	s.addKubeTime("start_time", "When the kubelet acknowledged a pod, in Unix seconds.", func(p *state.Pod) state.Time { return p.StartedAt })
	s.addKubeTime("deletion_timestamp", "When the grace period of a pod that is being deleted ends, in Unix seconds.", func(p *state.Pod) state.Time { return p.DeletionAt })
	s.addKube("owner", "The controller of a pod, such as a ReplicaSet.", podOwner)
	s.addKube("spec_volumes_persistentvolumeclaims_info", "A PersistentVolumeClaim in the volumes of a pod.", func(p *state.Pod, add addFunc, labels []string) {
		for i := range p.Storage {
			if v := &p.Storage[i]; !v.Ephemeral {
				add(1, append(slices.Clip(labels), "volume", v.Name, "persistentvolumeclaim", v.Claim)...)
			}
		}
	})
}

// addStatus adds the families of a pod's status.
func (s *podSet) addStatus() {
	s.addKube("restart_policy", "The restart policy of a pod.", func(p *state.Pod, add addFunc, labels []string) {
		if p.RestartPolicy != state.RestartPolicyNone {
			add(1, append(labels, "type", p.RestartPolicy.String())...)
		}
	})
	s.addKube("status_phase", "The phase of a pod.", func(p *state.Pod, add addFunc, labels []string) {
		addEnum(add, p.Phase.String(), phases, "phase", labels...)
	})
	s.addKube("status_ready", "Whether a pod is ready.", func(p *state.Pod, add addFunc, labels []string) {
		condition(add, p.ReadyCondition, labels)
	})
	s.addKube("status_scheduled", "Whether a pod is scheduled to a node.", func(p *state.Pod, add addFunc, labels []string) {
		condition(add, p.ScheduledCondition, labels)
	})
	s.addKube("status_unschedulable", "Set for a pod that cannot be scheduled, or that has scheduling gates.", func(p *state.Pod, add addFunc, labels []string) {
		if p.ScheduledCondition == state.ConditionFalse {
			add(1, labels...)
		}
	})
	s.addKube("status_qos_class", "The quality of service class of a pod.", func(p *state.Pod, add addFunc, labels []string) {
		if p.QOSClass != state.QOSUnknown {
			addEnum(add, p.QOSClass.String(), qosClasses, "qos_class", labels...)
		}
	})
}

// addOwn adds the families that kube-state-metrics does not have.
func (s *podSet) addOwn() {
	s.add("rollcall_pod_workload", "The workload of a pod, such as a Deployment or Rollout rather than its ReplicaSet. A pod without an owner is its own workload.", rollcallLabels, func(p *state.Pod, add addFunc, labels []string) {
		add(1, append(labels, "owner_kind", p.Owner.Kind, "owner_name", p.Owner.Name)...)
	})
	s.add("rollcall_pod_status_reason", "The reason of a pod's status, such as Evicted or Unschedulable.", rollcallLabels, func(p *state.Pod, add addFunc, labels []string) {
		if p.Reason != "" {
			add(1, append(labels, "reason", p.Reason)...)
		}
	})
	s.add("rollcall_pod_volume_mount_info", "Where a pod mounts a PersistentVolumeClaim, including those of ephemeral volumes.", rollcallLabels, func(p *state.Pod, add addFunc, labels []string) {
		for i := range p.Storage {
			v := &p.Storage[i]
			add(1, append(slices.Clip(labels), "volume", v.Name, "persistentvolumeclaim", v.Claim, "mount_path", v.MountPath)...)
		}
	})
}

func podInfo(p *state.Pod, add addFunc, labels []string) {
	ip := ""
	if len(p.PodIPs) > 0 {
		ip = p.PodIPs[0]
	}
	add(1, append(labels, "host_ip", p.HostIP, "pod_ip", ip, "node", p.Node, "created_by_kind", p.Controller.Kind, "created_by_name", p.Controller.Name,
		"priority_class", p.PriorityClass, "host_network", strconv.FormatBool(p.HostNetwork))...)
}

func podIPs(p *state.Pod, add addFunc, labels []string) {
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

// podOwner adds a series with empty labels for a pod without a controller, as kube-state-metrics
// does.
func podOwner(p *state.Pod, add addFunc, labels []string) {
	controller := ""
	if p.Controller.Kind != "" {
		controller = "true"
	}
	add(1, append(labels, "owner_kind", p.Controller.Kind, "owner_name", p.Controller.Name, "owner_is_controller", controller)...)
}

// condition adds a series for each status of a condition, unless the pod has no such condition.
func condition(add addFunc, status state.ConditionStatus, labels []string) {
	if status != state.ConditionNone {
		addEnum(add, strings.ToLower(status.String()), conditionStatuses, "condition", labels...)
	}
}

func podReasons(s *state.State, p *state.Pod, add addFunc) {
	reasons := map[string]bool{p.Reason: true}
	for k := range s.ContainersOf(p.Namespace, p.Name) {
		if k.Kind == state.Main && k.State == state.Terminated && !k.NoStatus {
			reasons[k.Reason] = true
		}
	}
	for _, reason := range statusReasons {
		add(boolValue(reasons[reason]), "namespace", p.Namespace, "pod", p.Name, "uid", p.UID.String(), "reason", reason)
	}
}
