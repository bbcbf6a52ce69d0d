package prom

import (
	"maps"
	"slices"
	"strings"

	"rollcall.dev/rollcall/api/state"
)

// amounts adds a series a resource, with the labels resource and unit as
// kube-state-metrics has them. Zeros are left out where they say that nothing was asked
// for.
func amounts(add adder, r *state.Resources, zeros bool, pairs ...string) {
	put := func(value float64, resource, unit string) {
		if value != 0 || zeros {
			add(value, append(slices.Clip(pairs), "resource", resource, "unit", unit)...)
		}
	}
	put(float64(r.CPUMillis)/1000, "cpu", "core")
	put(float64(r.MemoryBytes), "memory", "byte")
	put(float64(r.EphemeralStorageBytes), "ephemeral_storage", "byte")
	if r.Pods != 0 {
		put(float64(r.Pods), "pods", "integer")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Extended)) {
		unit := "integer"
		if strings.HasPrefix(name, "hugepages-") || strings.HasPrefix(name, "attachable-volumes-") {
			unit = "byte"
		}
		put(float64(r.Extended[name]), plain(name), unit)
	}
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
