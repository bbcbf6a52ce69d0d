package controllers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
)

// summaryOf returns a summary as stored in a ClusterStatus, within the limits of the schema. Both
// types have the same JSON, that of the HTTP API.
func summaryOf(summary state.Summary) (*v1alpha1.Summary, error) {
	var stored v1alpha1.Summary
	if err := convert(truncateSummary(summary), &stored); err != nil {
		return nil, err
	}
	return &stored, nil
}

// summaryFrom returns the summary that is stored in a ClusterStatus.
func summaryFrom(stored *v1alpha1.Summary) (state.Summary, error) {
	var summary state.Summary
	err := convert(stored, &summary)
	return summary, err
}

// convert converts between types with the same JSON.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("encode %T: %w", from, err)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("decode %T: %w", to, err)
	}
	return nil
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
