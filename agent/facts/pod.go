package facts

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// Pod returns the fact of a pod, but for the capacity of its claims. held is the fact
// that was returned for the pod before, nil for none; now is the present time.
func Pod(in *PodInput, held *state.Pod, now state.Time) *state.Pod {
	reason, message := podReason(in)
	columns := printPod(in)
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
		Reason:             text(reason),
		Message:            text(message),
		PodIPs:             distinct(in.PodIPs),
		HostIP:             in.HostIP,
		HostNetwork:        in.HostNetwork,
		QOSClass:           in.QOSClass,
		RestartPolicy:      in.RestartPolicy,
		PriorityClass:      in.PriorityClass,
		Terminating:        in.Terminating,
		CreatedAt:          in.CreatedAt,
		StartedAt:          in.StartedAt,
		DeletionAt:         in.DeletionAt,
		Owner:              owner(in),
		Controller:         in.Controller,
		Requested:          in.Requested,
		Limits:             in.Limits,
		ReadyCondition:     conditionStatus(in.Ready),
		ScheduledCondition: conditionStatus(in.Scheduled),
		Mute:               text(in.Mute),
	}
	p.UnschedulableSince = unschedulableSince(in, held, now)
	if in.Phase.Finished() {
		p.FinishedAt = finishedAt(in, held, now)
	}
	return p
}

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

// podReason returns status.reason (Evicted, NodeLost) with its message, else why the
// pod has no node, else why it is not ready although its containers are.
func podReason(in *PodInput) (reason, message string) {
	switch {
	case in.Reason != "":
		return in.Reason, in.Message
	case in.Scheduled.Status == state.False:
		return in.Scheduled.Reason, in.Scheduled.Message
	case unseen(in):
		return "", fmt.Sprintf("no scheduler has looked at the pod: is %q, its spec.schedulerName, running?", cmp.Or(in.SchedulerName, corev1.DefaultSchedulerName))
	case in.Phase == state.PodRunning && in.Ready.Status == state.False && in.ContainersReady.Status == state.True:
		return in.Ready.Reason, in.Ready.Message
	}
	return in.Reason, in.Message
}

// unseen reports whether a pod waits for a node and no scheduler has said why.
func unseen(in *PodInput) bool {
	return in.Node == "" && !in.Phase.Finished() && in.Scheduled.Type == ""
}

// gated reports whether a pod has scheduling gates (KEP-3521): it waits because somebody
// wants it to.
func gated(in *PodInput) bool { return in.Scheduled.Reason == corev1.PodReasonSchedulingGated }

// unschedulableSince returns since when a pod has waited for a node; zero while it has
// one or is gated. The condition's time stays that of the gate when the gate goes, so a
// pod that was seen gated waits from now on.
func unschedulableSince(in *PodInput, held *state.Pod, now state.Time) state.Time {
	if in.Node != "" || in.Phase.Finished() || gated(in) || in.Scheduled.Status == state.True {
		return 0
	}
	switch {
	case held != nil && held.UnschedulableSince != 0:
		return held.UnschedulableSince
	case held != nil && held.Reason == corev1.PodReasonSchedulingGated:
		return now
	}
	return min(cmp.Or(in.Scheduled.Since, in.CreatedAt, now), now)
}

// finishedAt returns when a finished pod ended: its last container, else the last of its
// conditions to change.
func finishedAt(in *PodInput, held *state.Pod, now state.Time) state.Time {
	var ended state.Time
	for _, s := range slices.Concat(in.InitStatuses, in.Statuses) {
		ended = max(ended, s.FinishedAt)
	}
	for _, c := range []Condition{in.ContainersReady, in.Ready} {
		if ended == 0 && c.Status == state.False {
			ended = c.Since
		}
	}
	if held != nil && (ended == 0 || ended > now) {
		ended = cmp.Or(held.FinishedAt, now)
	}
	ended = min(ended, now)
	return cmp.Or(ended, in.StartedAt, in.CreatedAt)
}

// distinct returns the distinct strings of s in their order, nil where there are none.
func distinct(s []string) []string {
	var out []string
	for _, one := range s {
		if !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}

// sortedSet returns the distinct strings of s in order, nil where there are none.
func sortedSet(s []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(s)))
}
