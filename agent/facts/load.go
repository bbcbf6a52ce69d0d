package facts

import (
	"maps"

	"rollcall.dev/rollcall/api/state"
)

// loads says that a pod counts for the node it is bound to. It is the rule of the
// scheduler and of `kubectl describe node`: a terminating pod still does, a
// finished one does not.
func loads(p *state.Pod) bool { return p.Node != "" && !p.Phase.Finished() }

// addPod adds a pod to what its node carries, or with sign -1 takes it away.
func addPod(load *state.NodeLoad, p *state.Pod, sign int64) {
	addResources(&load.Requested, p.Requested, sign)
	addResources(&load.Limits, p.Limits, sign)
	load.Pods += sign
}

func addResources(sum *state.Resources, r state.Resources, sign int64) {
	sum.CPUMillis += sign * r.CPUMillis
	sum.MemoryBytes += sign * r.MemoryBytes
	sum.EphemeralStorageBytes += sign * r.EphemeralStorageBytes
	if sum.Extended == nil && len(r.Extended) > 0 {
		sum.Extended = make(map[string]int64, len(r.Extended))
	}
	for name, n := range r.Extended {
		if sum.Extended[name] += sign * n; sum.Extended[name] == 0 {
			delete(sum.Extended, name)
		}
	}
}

// publishedLoad is a running sum as an object that no later sum changes.
func publishedLoad(node string, sum state.NodeLoad) *state.NodeLoad {
	sum.Node = node
	sum.Requested.Extended = someOf(sum.Requested.Extended)
	sum.Limits.Extended = someOf(sum.Limits.Extended)
	return &sum
}

// someOf is a copy of m, nil where it is empty.
func someOf(m map[string]int64) map[string]int64 {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}
