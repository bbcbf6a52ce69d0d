package controllers

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// summaryOf returns a summary as stored in a ClusterStatus, within the limits of the schema. A test compares its JSON
// with that of the HTTP API.
func summaryOf(summary state.Summary) *v1alpha1.Summary {
	s := truncateSummary(summary)
	stored := &v1alpha1.Summary{
		Nodes: v1alpha1.NodeCounts{Total: int64(s.Nodes.Total), Ready: int64(s.Nodes.Ready), Schedulable: int64(s.Nodes.Schedulable)},
		Pods: v1alpha1.PodCounts{
			Total: int64(s.Pods.Total), Pending: int64(s.Pods.Pending), Running: int64(s.Pods.Running), Succeeded: int64(s.Pods.Succeeded),
			Failed: int64(s.Pods.Failed), Unknown: int64(s.Pods.Unknown), Terminating: int64(s.Pods.Terminating),
		},
		Containers: v1alpha1.ContainerCounts{
			Total: int64(s.Containers.Total), Running: int64(s.Containers.Running), Waiting: int64(s.Containers.Waiting),
			Terminated: int64(s.Containers.Terminated), Unknown: int64(s.Containers.Unknown), Restarts: int64(s.Containers.Restarts),
			Desired: int64(s.Containers.Desired), Ready: int64(s.Containers.Ready),
		},
		Capacity: v1alpha1.Resources(s.Capacity), Allocatable: v1alpha1.Resources(s.Allocatable),
		Requested: v1alpha1.Resources(s.Requested), Limits: v1alpha1.Resources(s.Limits),
		Fragmentation: v1alpha1.FreeResources(s.Fragmentation),
		Ports:         v1alpha1.PortCounts{Taken: int64(s.Ports.Taken), Conflicts: int64(s.Ports.Conflicts)},
		Healthy:       s.Healthy,
		ProblemCount:  int64(s.ProblemCount), ProblemCounts: problemCountsOf(s.ProblemCounts), More: problemCountsOf(s.More), Muted: int64(s.Muted),
	}
	if s.Used != nil {
		stored.Used = &v1alpha1.UsedSum{
			CPUMillis: s.Used.CPUMillis, MemoryBytes: s.Used.MemoryBytes, SampledAt: optionalTime(s.Used.SampledAt), Nodes: int64(s.Used.Nodes),
		}
	}
	for _, p := range s.Problems {
		stored.Problems = append(stored.Problems, problemOf(p))
	}
	return stored
}

func problemCountsOf(c state.ProblemCounts) v1alpha1.ProblemCounts {
	return v1alpha1.ProblemCounts{Critical: int64(c.Critical), Warning: int64(c.Warning), Info: int64(c.Info)}
}

func problemOf(p state.Problem) v1alpha1.Problem {
	stored := v1alpha1.Problem{
		Severity: p.Severity.String(), Kind: p.Kind, What: p.What, Where: p.Where, Since: optionalTime(p.Since),
		Message: p.Message, Count: int64(p.Count), Others: p.Others, Muted: p.Muted,
	}
	if p.Owner != (state.Owner{}) {
		stored.Owner = &v1alpha1.ProblemOwner{Kind: p.Owner.Kind, Name: p.Owner.Name}
	}
	return stored
}

// optionalTime returns a time as custom resources store it, nil for zero.
func optionalTime(t state.Time) *metav1.Time {
	if t == 0 {
		return nil
	}
	return timeOf(t.Time())
}

// summaryFrom returns the summary that is stored in a ClusterStatus.
func summaryFrom(s *v1alpha1.Summary) state.Summary {
	summary := state.Summary{
		Nodes: state.NodeCounts{Total: int(s.Nodes.Total), Ready: int(s.Nodes.Ready), Schedulable: int(s.Nodes.Schedulable)},
		Pods: state.PodCounts{
			Total: int(s.Pods.Total), Pending: int(s.Pods.Pending), Running: int(s.Pods.Running), Succeeded: int(s.Pods.Succeeded),
			Failed: int(s.Pods.Failed), Unknown: int(s.Pods.Unknown), Terminating: int(s.Pods.Terminating),
		},
		Containers: state.ContainerCounts{
			Total: int(s.Containers.Total), Running: int(s.Containers.Running), Waiting: int(s.Containers.Waiting),
			Terminated: int(s.Containers.Terminated), Unknown: int(s.Containers.Unknown), Restarts: int(s.Containers.Restarts),
			Desired: int(s.Containers.Desired), Ready: int(s.Containers.Ready),
		},
		Capacity: state.Resources(s.Capacity), Allocatable: state.Resources(s.Allocatable),
		Requested: state.Resources(s.Requested), Limits: state.Resources(s.Limits),
		Fragmentation: state.FreeResources(s.Fragmentation),
		Ports:         state.PortCounts{Taken: int(s.Ports.Taken), Conflicts: int(s.Ports.Conflicts)},
		Healthy:       s.Healthy,
		ProblemCount:  int(s.ProblemCount), ProblemCounts: problemCountsFrom(s.ProblemCounts), More: problemCountsFrom(s.More), Muted: int(s.Muted),
	}
	if s.Used != nil {
		summary.Used = &state.UsedSum{
			CPUMillis: s.Used.CPUMillis, MemoryBytes: s.Used.MemoryBytes, SampledAt: stateTime(s.Used.SampledAt), Nodes: int(s.Used.Nodes),
		}
	}
	for _, p := range s.Problems {
		summary.Problems = append(summary.Problems, problemFrom(p))
	}
	return summary
}

func problemCountsFrom(c v1alpha1.ProblemCounts) state.ProblemCounts {
	return state.ProblemCounts{Critical: int(c.Critical), Warning: int(c.Warning), Info: int(c.Info)}
}

func problemFrom(p v1alpha1.Problem) state.Problem {
	from := state.Problem{
		Kind: p.Kind, What: p.What, Where: p.Where, Since: stateTime(p.Since),
		Message: p.Message, Count: int(p.Count), Others: p.Others, Muted: p.Muted,
	}
	// A severity of a newer master that is unknown here stays the zero value.
	_ = from.Severity.UnmarshalText([]byte(p.Severity))
	if p.Owner != nil {
		from.Owner = state.Owner{Kind: p.Owner.Kind, Name: p.Owner.Name}
	}
	return from
}

func stateTime(t *metav1.Time) state.Time {
	if t == nil {
		return 0
	}
	return state.TimeOf(t.Time)
}

// truncateSummary returns a summary within the limits of the schema.
func truncateSummary(summary state.Summary) state.Summary {
	for _, r := range []*state.Resources{&summary.Capacity, &summary.Allocatable, &summary.Requested, &summary.Limits} {
		r.Extended = firstByName(r.Extended)
	}
	if summary.Used != nil {
		used := *summary.Used
		used.SampledAt = validTime(used.SampledAt)
		summary.Used = &used
	}
	summary.Problems = slices.Clone(summary.Problems[:min(len(summary.Problems), v1alpha1.MaxProblems)])
	for i, p := range summary.Problems {
		p.Kind = truncate(p.Kind, v1alpha1.MaxProblemKind)
		p.What = truncate(p.What, v1alpha1.MaxProblemWhat)
		p.Where = truncate(p.Where, v1alpha1.MaxProblemWhere)
		p.Owner = state.Owner{Kind: truncate(p.Owner.Kind, v1alpha1.MaxProblemWhat), Name: truncate(p.Owner.Name, v1alpha1.MaxProblemWhat)}
		p.Since = validTime(p.Since)
		p.Message = truncate(p.Message, v1alpha1.MaxMessage)
		p.Muted = truncate(p.Muted, v1alpha1.MaxProblemWhat)
		p.Others = slices.Clone(p.Others[:min(len(p.Others), state.MaxOthers)])
		for j, other := range p.Others {
			p.Others[j] = truncate(other, v1alpha1.MaxProblemWhere)
		}
		summary.Problems[i] = p
	}
	return summary
}

// validTime returns t, or zero if the schema does not permit it.
func validTime(t state.Time) state.Time {
	if timeOf(t.Time()) == nil {
		return 0
	}
	return t
}

// firstByName returns the first extended resources by name, as many as the schema permits.
func firstByName(extended map[string]int64) map[string]int64 {
	if len(extended) <= v1alpha1.MaxExtendedResources {
		return extended
	}
	first := map[string]int64{}
	for _, name := range slices.Sorted(maps.Keys(extended))[:v1alpha1.MaxExtendedResources] {
		first[name] = extended[name]
	}
	return first
}

// displayOf returns the table columns of a summary.
func displayOf(summary state.Summary) v1alpha1.Display {
	d := state.DisplayOf(summary)
	return v1alpha1.Display{
		Nodes: d.Nodes, Containers: d.Containers,
		CPURequested: d.CPURequested, MemoryRequested: d.MemoryRequested,
		CPUUsed: d.CPUUsed, MemoryUsed: d.MemoryUsed,
	}
}
