package facts

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// readyStatus returns the status of the Ready condition, or Unknown if there is none.
func readyStatus(conditions []Condition) state.Tristate {
	for _, c := range conditions {
		if c.Type == string(corev1.NodeReady) {
			return c.Status
		}
	}
	return state.Unknown
}

// notReadySince returns since when a node has not been ready, or 0 if it is ready. The time of the condition also
// changes when its status changes from False to Unknown, so an earlier time in old is kept. old is the previous fact
// of the node, or nil.
func notReadySince(in *NodeInput, old *state.Node, now state.Time) state.Time {
	since := in.CreatedAt
	for _, c := range in.Conditions {
		if c.Type != string(corev1.NodeReady) {
			continue
		}
		if c.Status == state.True {
			return 0
		}
		since = cmp.Or(c.Since, since)
		break
	}
	since = min(cmp.Or(since, now), now)
	if old != nil && old.NotReadySince != 0 {
		return min(old.NotReadySince, since)
	}
	return since
}

// nodeConditions returns all conditions of a node, sorted by type. The message of a good condition is left out, which
// saves memory in clusters with thousands of nodes.
func nodeConditions(conditions []Condition) []state.NodeCondition {
	if len(conditions) == 0 {
		return nil
	}
	all := make([]state.NodeCondition, 0, len(conditions))
	for _, c := range conditions {
		condition := state.NodeCondition{Type: truncateText(c.Type), Status: c.Status, Reason: truncateText(c.Reason), Since: c.Since}
		if condition.Health() != state.ConditionGood {
			condition.Message = truncateText(c.Message)
		}
		all = append(all, condition)
	}
	slices.SortStableFunc(all, func(a, b state.NodeCondition) int { return cmp.Compare(a.Type, b.Type) })
	return slices.CompactFunc(all, func(a, b state.NodeCondition) bool { return a.Type == b.Type })
}

// A node is flapping if Ready changes more than maxReadyChanges times within flapWindow, as in the alert
// KubeNodeReadinessFlapping of kubernetes-mixin.
const (
	flapWindow      = 15 * time.Minute
	maxReadyChanges = 2
)

// readyChanges holds the times of the latest changes of a node's Ready condition, the oldest first.
type readyChanges struct {
	times [maxReadyChanges + 1]state.Time
	last  state.Tristate
}

// record records the status of Ready at now. known reports whether the node was seen before, so that last is valid.
func (r *readyChanges) record(ready state.Tristate, known bool, now state.Time) {
	if known && ready != r.last {
		copy(r.times[:], r.times[1:])
		r.times[maxReadyChanges] = now
	}
	r.last = ready
}

// flapping returns since when a node has been flapping and until when it counts as such, or zeros if it is not. old
// is the previous fact of the node, or nil.
func (r *readyChanges) flapping(old *state.Node) (since, until state.Time) {
	first, last := r.times[0], r.times[maxReadyChanges]
	window := state.Time(flapWindow / time.Second)
	if first == 0 || last-first > window {
		if old != nil && last < old.FlappingUntil {
			return old.FlappingSince, old.FlappingUntil
		}
		return 0, 0
	}
	if old != nil && old.FlappingSince != 0 && first <= old.FlappingUntil {
		first = old.FlappingSince
	}
	return first, r.times[0] + window
}
