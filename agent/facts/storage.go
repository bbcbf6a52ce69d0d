package facts

import (
	"cmp"
	"iter"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// newStorage returns the volumes of claims that a pod mounts, once per claim, path and volume name. capacity returns
// the capacity of a claim in bytes, or 0 if it is unknown.
func newStorage(mounts []Mount, capacity func(claim string) int64) []state.Volume {
	if len(mounts) == 0 {
		return nil
	}
	volumes := make([]state.Volume, 0, len(mounts))
	for _, m := range mounts {
		volumes = append(volumes, state.Volume{Name: m.Volume, Claim: m.Claim, CapacityBytes: capacity(m.Claim), MountPath: m.Path, Ephemeral: m.Ephemeral})
	}
	slices.SortFunc(volumes, func(a, b state.Volume) int {
		return cmp.Or(cmp.Compare(a.Claim, b.Claim), cmp.Compare(a.MountPath, b.MountPath), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(volumes)
}

// withCapacities returns a copy of the pod with the current capacities of its claims.
func withCapacities(p *state.Pod, capacity func(claim string) int64) *state.Pod {
	next := *p
	next.Storage = slices.Clone(p.Storage)
	for i := range next.Storage {
		next.Storage[i].CapacityBytes = capacity(next.Storage[i].Claim)
	}
	return &next
}

// claimsOf returns the claims that a pod mounts, each once. p may be nil.
func claimsOf(p *state.Pod) iter.Seq[NamespacedName] {
	return func(yield func(NamespacedName) bool) {
		if p == nil {
			return
		}
		for i, volume := range p.Storage {
			if i > 0 && volume.Claim == p.Storage[i-1].Claim {
				continue
			}
			if !yield(NamespacedName{p.Namespace, volume.Claim}) {
				return
			}
		}
	}
}
