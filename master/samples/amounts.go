package samples

import (
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// addKubeResources adds a series for each resource that is set, including zeros, with the labels
// resource and unit. Like kube-state-metrics, it skips resources without a known unit.
func addKubeResources(add addFunc, r *state.Resources, zeros state.Zeros, pairs ...string) {
	addResources(add, r, zeros, kubeUnit, pairs)
}

// addLoadResources adds a series for each resource. CPU, memory and ephemeral storage are always
// added, even if they are zero.
func addLoadResources(add addFunc, r *state.Resources, pairs ...string) {
	const always = state.ZeroCPU | state.ZeroMemory | state.ZeroEphemeralStorage
	addResources(add, r, always, func(name string) string {
		if unit := kubeUnit(name); unit != "" {
			return unit
		}
		return "integer"
	}, pairs)
}

// addResources adds a series for each resource that is not zero or that is in zeros. Extended
// resources for which unit returns "" are skipped.
func addResources(add addFunc, r *state.Resources, zeros state.Zeros, unit func(name string) string, pairs []string) {
	put := func(value float64, name, unit string) {
		add(value, append(slices.Clip(pairs), "resource", sanitize(name), "unit", unit)...)
	}
	putSet := func(amount int64, zero state.Zeros, divisor float64, name, unit string) {
		if amount != 0 || zeros&zero != 0 {
			put(float64(amount)/divisor, name, unit)
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

// kubeUnit returns the unit that kube-state-metrics uses for an extended resource, "" if it skips
// that resource.
func kubeUnit(name string) string {
	switch {
	case name == "storage", strings.HasPrefix(name, "hugepages-"), strings.HasPrefix(name, "attachable-volumes-"):
		return "byte"
	case strings.Contains(name, "/") && !strings.Contains(name, "kubernetes.io/") && !strings.HasPrefix(name, "requests."):
		return "integer"
	}
	return ""
}

// sanitize replaces all characters of a name except letters, digits and underscores.
func sanitize(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
