package informer

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

const templateHashLabel = "pod-template-hash"

// podConverter makes slim inputs of pods.
type podConverter struct{ shared interner }

// PodInput is what the facts need of a Pod.
func PodInput(pod *corev1.Pod) *facts.PodInput { return podConverter{interner{}}.input(pod) }

func (c podConverter) input(pod *corev1.Pod) *facts.PodInput {
	requested, limits := facts.PodResources(pod)
	return &facts.PodInput{
		Namespace:       c.shared.of(pod.Namespace),
		Name:            pod.Name,
		Node:            c.shared.of(pod.Spec.NodeName),
		CreatedAt:       state.TimeOf(pod.CreationTimestamp.Time),
		Terminating:     pod.DeletionTimestamp != nil,
		HostNetwork:     pod.Spec.HostNetwork,
		Ready:           podCondition(pod, corev1.PodReady).Status == state.True,
		Phase:           phase(pod.Status.Phase),
		QOSClass:        qosClass(pod.Status.QOSClass),
		Reason:          c.shared.of(pod.Status.Reason),
		Message:         pod.Status.Message,
		PodIPs:          podIPs(pod),
		Controller:      c.controller(pod),
		TemplateHash:    pod.Labels[templateHashLabel],
		Requested:       requested,
		Limits:          limits,
		Scheduled:       c.condition(pod, corev1.PodScheduled),
		ContainersReady: c.condition(pod, corev1.ContainersReady),
		Mounts:          c.mounts(pod),
		Containers:      c.containers(pod),
	}
}

func (c podConverter) controller(pod *corev1.Pod) state.Owner {
	ref := metav1.GetControllerOfNoCopy(pod)
	if ref == nil {
		return state.Owner{}
	}
	return state.Owner{Kind: c.shared.of(ref.Kind), Name: c.shared.of(ref.Name)}
}

// podIPs are those of all families; before the kubelet knew of families there was one.
func podIPs(pod *corev1.Pod) []string {
	if len(pod.Status.PodIPs) == 0 && pod.Status.PodIP != "" {
		return []string{pod.Status.PodIP}
	}
	ips := make([]string, 0, len(pod.Status.PodIPs))
	for _, ip := range pod.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	return ips
}

func (c podConverter) condition(pod *corev1.Pod, kind corev1.PodConditionType) facts.Condition {
	condition := podCondition(pod, kind)
	condition.Reason = c.shared.of(condition.Reason)
	return condition
}

func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) facts.Condition {
	for i := range pod.Status.Conditions {
		if c := &pod.Status.Conditions[i]; c.Type == kind {
			return facts.Condition{
				Type:    string(kind),
				Status:  tristate(c.Status),
				Reason:  c.Reason,
				Message: c.Message,
				Since:   state.TimeOf(c.LastTransitionTime.Time),
			}
		}
	}
	return facts.Condition{}
}
