package facts

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// Pod is what is known of a pod, but for the capacity of its claims.
func Pod(in *PodInput) *state.Pod {
	reason, message := podReason(in)
	return &state.Pod{
		Namespace:          in.Namespace,
		Name:               in.Name,
		Node:               in.Node,
		Phase:              in.Phase,
		Reason:             text(reason),
		Message:            text(message),
		PodIPs:             sortedSet(in.PodIPs),
		HostNetwork:        in.HostNetwork,
		QOSClass:           in.QOSClass,
		Terminating:        in.Terminating,
		CreatedAt:          in.CreatedAt,
		Owner:              owner(in),
		Requested:          in.Requested,
		Limits:             in.Limits,
		UnschedulableSince: unschedulableSince(in.Scheduled),
	}
}

// podReason is status.reason (Evicted, NodeLost) with its message, else why the
// pod has no node.
func podReason(in *PodInput) (reason, message string) {
	if in.Reason == "" && in.Scheduled.Status == state.False {
		return in.Scheduled.Reason, in.Scheduled.Message
	}
	return in.Reason, in.Message
}

// unschedulableSince is since when no node was found. A pod with scheduling gates
// (KEP-3521) waits because somebody wants it to.
func unschedulableSince(scheduled Condition) state.Time {
	if scheduled.Status != state.False || scheduled.Reason == corev1.PodReasonSchedulingGated {
		return 0
	}
	return scheduled.Since
}

// sortedSet is the distinct strings of s in order, nil where there are none.
func sortedSet(s []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(s)))
}
