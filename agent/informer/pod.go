package informer

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

const (
	templateHashLabel = "pod-template-hash"
	rolloutHashLabel  = "rollouts-pod-template-hash"
	// muteAnnotation mutes the problems of a pod or node. Its value is the reason.
	muteAnnotation = "rollcall.dev/mute"
	hostnameLabel  = corev1.LabelHostname
)

// podConverter converts pods to inputs of the facts.
type podConverter struct{ interner *interner }

// input converts a pod to an input of the facts.
func (c podConverter) input(pod *podObject) *facts.PodInput {
	meta, spec, status := pod.Slim.GetMetadata(), pod.Slim.GetSpec(), pod.Slim.GetStatus()
	amounts := podAmounts(spec, status)
	requested, limits := facts.PodResources(amounts)
	in := &facts.PodInput{
		Namespace:       c.interner.intern(pod.Namespace),
		Name:            pod.Name,
		UID:             state.ParseUID(meta.GetUid()),
		Node:            c.interner.intern(spec.GetNodeName()),
		CreatedAt:       stateTime(meta.GetCreationTimestamp()),
		StartedAt:       stateTime(status.GetStartTime()),
		Terminating:     meta.GetDeletionTimestamp() != nil,
		DeletionAt:      stateTime(meta.GetDeletionTimestamp()),
		HostNetwork:     spec.GetHostNetwork(),
		RestartPolicy:   restartPolicy(spec.GetRestartPolicy()),
		PriorityClass:   c.interner.intern(spec.GetPriorityClassName()),
		Priority:        spec.GetPriority(),
		ServiceAccount:  c.interner.intern(spec.GetServiceAccountName()),
		SchedulerName:   c.interner.intern(spec.GetSchedulerName()),
		HostIP:          c.interner.intern(status.GetHostIp()),
		RolloutHash:     label(meta, rolloutHashLabel),
		Labels:          c.interner.labels(meta.GetLabels()),
		Mute:            mute(meta),
		Phase:           phase(status.GetPhase()),
		QOSClass:        qosClass(status.GetQosClass()),
		Reason:          c.interner.intern(status.GetReason()),
		Message:         status.GetMessage(),
		PodIPs:          podIPs(status),
		Controller:      c.controller(meta),
		TemplateHash:    label(meta, templateHashLabel),
		Requested:       requested,
		Limits:          limits,
		Scheduled:       c.condition(status, corev1.PodScheduled),
		Initialized:     c.condition(status, corev1.PodInitialized),
		ContainersReady: c.condition(status, corev1.ContainersReady),
		Ready:           c.condition(status, corev1.PodReady),
		Mounts:          c.mounts(pod.Name, spec),
		InitStatuses:    c.statuses(status.GetInitContainerStatuses(), amounts.Status.InitContainerStatuses),
		Statuses:        c.statuses(status.GetContainerStatuses(), amounts.Status.ContainerStatuses),
	}
	in.Containers = c.containers(pod.Slim, amounts, in)
	return in
}

// mute returns the value of the mute annotation, or "muted" if the value is empty. Without the annotation
// it returns "".
func mute(meta *slimpb.ObjectMeta) string {
	for _, a := range meta.GetAnnotations() {
		if a.GetKey() == muteAnnotation {
			return cmp.Or(a.GetValue(), "muted")
		}
	}
	return ""
}

// controller returns the controlling owner, or the zero Owner if there is none.
func (c podConverter) controller(meta *slimpb.ObjectMeta) state.Owner {
	for _, ref := range meta.GetOwnerReferences() {
		if ref.GetController() {
			return state.Owner{Kind: c.interner.intern(ref.GetKind()), Name: c.interner.intern(ref.GetName())}
		}
	}
	return state.Owner{}
}

// podIPs returns the IPs of all families, or podIP if the kubelet does not set podIPs.
func podIPs(status *slimpb.PodStatus) []string {
	if len(status.GetPodIps()) == 0 && status.GetPodIp() != "" {
		return []string{status.GetPodIp()}
	}
	ips := make([]string, 0, len(status.GetPodIps()))
	for _, ip := range status.GetPodIps() {
		ips = append(ips, ip.GetIp())
	}
	return ips
}

// condition returns the condition of a type, or the zero Condition if the pod has none.
func (c podConverter) condition(status *slimpb.PodStatus, kind corev1.PodConditionType) facts.Condition {
	condition := podCondition(status, kind)
	if condition == nil {
		return facts.Condition{}
	}
	return facts.Condition{
		Type:    string(kind),
		Status:  tristate(condition.GetStatus()),
		Reason:  c.interner.intern(condition.GetReason()),
		Message: condition.GetMessage(),
		Since:   stateTime(condition.GetLastTransitionTime()),
	}
}

// podCondition returns the condition of a type, or nil if the pod has none.
func podCondition(status *slimpb.PodStatus, kind corev1.PodConditionType) *slimpb.Condition {
	for _, condition := range status.GetConditions() {
		if condition.GetType() == string(kind) {
			return condition
		}
	}
	return nil
}

// label returns the value of a label, or "" if the object does not have it.
func label(meta *slimpb.ObjectMeta, key string) string {
	for _, l := range meta.GetLabels() {
		if l.GetKey() == key {
			return l.GetValue()
		}
	}
	return ""
}
