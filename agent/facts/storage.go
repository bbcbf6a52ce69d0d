package facts

import (
	"cmp"
	"iter"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// storage returns which claims a pod mounts where, once per claim, path and volume, with the
// claims' capacities if they are known.
func storage(mounts []Mount, capacity func(claim string) int64) []state.Volume {
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

// remounted returns a copy of the pod with the present capacities of its claims.
func remounted(p *state.Pod, capacity func(claim string) int64) *state.Pod {
	next := *p
	next.Storage = slices.Clone(p.Storage)
	for i := range next.Storage {
		next.Storage[i].CapacityBytes = capacity(next.Storage[i].Claim)
	}
	return &next
}

// claimsOf yields the claims that a pod mounts, each once.
func claimsOf(p *state.Pod) iter.Seq[id] {
	return func(yield func(id) bool) {
		if p == nil {
			return
		}
		for i, volume := range p.Storage {
			if i > 0 && volume.Claim == p.Storage[i-1].Claim {
				continue
			}
			if !yield(id{p.Namespace, volume.Claim}) {
				return
			}
		}
	}
}
