package facts

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// readiness returns the status of the Ready condition; Unknown while there is none.
func readiness(conditions []Condition) state.Tristate {
	for _, c := range conditions {
		if c.Type == string(corev1.NodeReady) {
			return c.Status
		}
	}
	return state.Unknown
}

// notReadySince returns since when a node has not been ready; zero while it is. The
// condition's time moves when it goes from False to Unknown, so what was returned
// before stays. held is the fact that was returned last, nil for none.
func notReadySince(in *NodeInput, held *state.Node, now state.Time) state.Time {
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
	if held != nil && held.NotReadySince != 0 {
		return min(held.NotReadySince, since)
	}
	return since
}

// nodeConditions returns all conditions of a node, sorted by type. Of one that is as it
// should be the message is left out: nobody reads it, and 5,000 nodes have some.
func nodeConditions(conditions []Condition) []state.NodeCondition {
	if len(conditions) == 0 {
		return nil
	}
	all := make([]state.NodeCondition, 0, len(conditions))
	for _, c := range conditions {
		condition := state.NodeCondition{Type: text(c.Type), Status: c.Status, Reason: text(c.Reason), Since: c.Since}
		if condition.Health() != state.ConditionGood {
			condition.Message = text(c.Message)
		}
		all = append(all, condition)
	}
	slices.SortStableFunc(all, func(a, b state.NodeCondition) int { return cmp.Compare(a.Type, b.Type) })
	return slices.CompactFunc(all, func(a, b state.NodeCondition) bool { return a.Type == b.Type })
}

// A node flaps when Ready changes more than flapChanges times within flapWindow:
// KubeNodeReadinessFlapping of kubernetes-mixin.
const (
	flapWindow  = 15 * time.Minute
	flapChanges = 2
)

// readyChanges are the latest changes of a node's Ready, the oldest first.
type readyChanges struct {
	at   [flapChanges + 1]state.Time
	seen state.Tristate
}

// observe records a change of Ready at an instant, where there is one.
func (r *readyChanges) observe(ready state.Tristate, known bool, now state.Time) {
	if known && ready != r.seen {
		copy(r.at[:], r.at[1:])
		r.at[flapChanges] = now
	}
	r.seen = ready
}

// flapping returns since when a node flaps and until when that counts; zero where it
// does not. held is what was returned last.
func (r *readyChanges) flapping(held *state.Node) (since, until state.Time) {
	first, last := r.at[0], r.at[flapChanges]
	window := state.Time(flapWindow / time.Second)
	if first == 0 || last-first > window {
		if held != nil && last < held.FlappingUntil {
			return held.FlappingSince, held.FlappingUntil
		}
		return 0, 0
	}
	if held != nil && held.FlappingSince != 0 && first <= held.FlappingUntil {
		first = held.FlappingSince
	}
	return first, r.at[0] + window
}
