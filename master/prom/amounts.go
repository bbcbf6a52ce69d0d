package prom

import (
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// kubeAmounts adds a series for each resource that is set, zeros too, with the labels
// resource and unit. What kube-state-metrics has no unit for is left out, as there.
func kubeAmounts(add adder, r *state.Resources, zeros state.Zeros, pairs ...string) {
	amounts(add, r, zeros, kubeUnit, pairs)
}

// loadAmounts adds a series for each resource: CPU, memory and ephemeral storage always,
// and all others.
func loadAmounts(add adder, r *state.Resources, pairs ...string) {
	const always = state.ZeroCPU | state.ZeroMemory | state.ZeroEphemeralStorage
	amounts(add, r, always, func(name string) string {
		if unit := kubeUnit(name); unit != "" {
			return unit
		}
		return "integer"
	}, pairs)
}

// amounts adds the resources that are set, or that zeros has; unit is empty for what is
// left out.
func amounts(add adder, r *state.Resources, zeros state.Zeros, unit func(name string) string, pairs []string) {
	put := func(value float64, name, unit string) {
		add(value, append(slices.Clip(pairs), "resource", plain(name), "unit", unit)...)
	}
	putSet := func(amount int64, zero state.Zeros, by float64, name, unit string) {
		if amount != 0 || zeros&zero != 0 {
			put(float64(amount)/by, name, unit)
		}
	}
	putSet(r.CPUMillis, state.ZeroCPU, 1000, "cpu", "core")
	putSet(r.MemoryBytes, state.ZeroMemory, 1, "memory", "byte")
	putSet(r.EphemeralStorageBytes, state.ZeroEphemeralStorage, 1, "ephemeral_storage", "byte")
	putSet(r.Pods, state.ZeroPods, 1, "pods", "integer")
	for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
		if u := unit(name); u != "" {
			put(float64(r.Extended[name]), name, u)
		}
	}
}

// kubeUnit returns the unit that kube-state-metrics gives a resource that is none of
// CPU, memory, ephemeral storage and pods; empty where it has no series of it.
func kubeUnit(name string) string {
	switch {
	case name == "storage", strings.HasPrefix(name, "hugepages-"), strings.HasPrefix(name, "attachable-volumes-"):
		return "byte"
	case strings.Contains(name, "/") && !strings.Contains(name, "kubernetes.io/") && !strings.HasPrefix(name, "requests."):
		return "integer"
	}
	return ""
}

// plain is a name with nothing but letters, digits and underscores.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
