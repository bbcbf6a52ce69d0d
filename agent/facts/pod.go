package facts

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// NewPod returns the fact of a pod without Storage and NotReadySince. old is the previous fact of the pod, or nil.
// now is the current time.
func NewPod(in *PodInput, old *state.Pod, now state.Time) *state.Pod {
	reason, message := podReason(in)
	columns := newPodColumns(in)
	p := &state.Pod{
		Namespace:          in.Namespace,
		Name:               in.Name,
		UID:                in.UID,
		Node:               in.Node,
		Status:             columns.status,
		Ready:              columns.ready,
		Restarts:           columns.restarts,
		LastRestartAt:      columns.lastRestartAt,
		Phase:              in.Phase,
		Reason:             truncateText(reason),
		Message:            truncateText(message),
		PodIPs:             deduplicate(in.PodIPs),
		HostIP:             in.HostIP,
		HostNetwork:        in.HostNetwork,
		QOSClass:           in.QOSClass,
		RestartPolicy:      in.RestartPolicy,
		PriorityClass:      in.PriorityClass,
		Priority:           in.Priority,
		ServiceAccount:     in.ServiceAccount,
		Terminating:        in.Terminating,
		CreatedAt:          in.CreatedAt,
		StartedAt:          in.StartedAt,
		DeletionAt:         in.DeletionAt,
		Owner:              podOwner(in),
		Controller:         in.Controller,
		Requested:          in.Requested,
		Limits:             in.Limits,
		ReadyCondition:     conditionStatus(in.Ready),
		ScheduledCondition: conditionStatus(in.Scheduled),
		Mute:               truncateText(in.Mute),
	}
	p.UnschedulableSince = unschedulableSince(in, old, now)
	if in.Phase.Finished() {
		p.FinishedAt = finishedAt(in, old, now)
	}
	return p
}

// conditionStatus returns the status of a condition that may be missing.
func conditionStatus(c Condition) state.ConditionStatus {
	switch {
	case c.Type == "":
		return state.ConditionNone
	case c.Status == state.True:
		return state.ConditionTrue
	case c.Status == state.False:
		return state.ConditionFalse
	}
	return state.ConditionUnknown
}

// podReason returns status.reason (such as Evicted or NodeLost) with its message, else why the pod has no node, else
// why it is not ready although its containers are.
func podReason(in *PodInput) (reason, message string) {
	switch {
	case in.Reason != "":
		return in.Reason, in.Message
	case in.Scheduled.Status == state.False:
		return in.Scheduled.Reason, in.Scheduled.Message
	case awaitsScheduler(in):
		return "", fmt.Sprintf("no scheduler has processed the pod; check that the scheduler %q (spec.schedulerName) is running", cmp.Or(in.SchedulerName, corev1.DefaultSchedulerName))
	case in.Phase == state.PodRunning && in.Ready.Status == state.False && in.ContainersReady.Status == state.True:
		return in.Ready.Reason, in.Ready.Message
	}
	return in.Reason, in.Message
}

// awaitsScheduler reports whether a pod waits for a node and no scheduler has set a condition.
func awaitsScheduler(in *PodInput) bool {
	return in.Node == "" && !in.Phase.Finished() && in.Scheduled.Type == ""
}

// isGated reports whether a pod has scheduling gates (KEP-3521), so that it waits on purpose.
func isGated(in *PodInput) bool { return in.Scheduled.Reason == corev1.PodReasonSchedulingGated }

// unschedulableSince returns since when a pod has waited for a node, or 0 if it has one or is gated. When the gates are
// removed, the condition keeps its time. A pod that was gated before therefore counts as waiting since now.
func unschedulableSince(in *PodInput, old *state.Pod, now state.Time) state.Time {
	if in.Node != "" || in.Phase.Finished() || isGated(in) || in.Scheduled.Status == state.True {
		return 0
	}
	switch {
	case old != nil && old.UnschedulableSince != 0:
		return old.UnschedulableSince
	case old != nil && old.Reason == corev1.PodReasonSchedulingGated:
		return now
	}
	return min(cmp.Or(in.Scheduled.Since, in.CreatedAt, now), now)
}

// finishedAt returns when a finished pod ended: when its last container terminated, else when its conditions became
// False, else when it was first seen as finished. A pod that the Tracker has not seen before and that has none of these
// times counts as finished when it started or was created.
func finishedAt(in *PodInput, old *state.Pod, now state.Time) state.Time {
	var ended state.Time
	for _, s := range slices.Concat(in.InitStatuses, in.Statuses) {
		ended = max(ended, s.FinishedAt)
	}
	for _, c := range []Condition{in.ContainersReady, in.Ready} {
		if ended == 0 && c.Status == state.False {
			ended = c.Since
		}
	}
	if old != nil && (ended == 0 || ended > now) {
		ended = cmp.Or(old.FinishedAt, now)
	}
	ended = min(ended, now)
	return cmp.Or(ended, in.StartedAt, in.CreatedAt)
}

// deduplicate returns the distinct strings of s in their order, or nil if s is empty.
func deduplicate(s []string) []string {
	var out []string
	for _, v := range s {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// sortAndDeduplicate returns the distinct strings of s in ascending order, or nil if s is empty.
func sortAndDeduplicate(s []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(s)))
}
