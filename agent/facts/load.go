package facts

import (
	"math"
	"math/bits"

	"rollcall.dev/rollcall/api/state"
)

// countsForNode reports whether a pod is part of the load of its node. As for the scheduler and `kubectl describe
// node`, a terminating pod is part of it, and a finished pod is not.
func countsForNode(p *state.Pod) bool { return p.Node != "" && !p.Phase.Finished() }

// loadSum is the sum of the requests and limits of the pods on a node. It is exact for any sequence of additions and
// subtractions. Only the results of nodeLoad saturate.
type loadSum struct {
	requested, limits resourceSums
	pods              int64
}

// resourceSums holds sums of Resources.
type resourceSums struct {
	cpu, memory, storage uint128
	extended             map[string]uint128
}

// uint128 is an unsigned integer of 128 bits.
type uint128 struct{ hi, lo uint64 }

// add adds n if sign is 1, or subtracts it if sign is -1.
func (w *uint128) add(n int64, sign int64) {
	var carry uint64
	if sign > 0 {
		w.lo, carry = bits.Add64(w.lo, uint64(n), 0) //nolint:gosec // two's complement is intended
		w.hi += carry
		return
	}
	w.lo, carry = bits.Sub64(w.lo, uint64(n), 0) //nolint:gosec // two's complement is intended
	w.hi -= carry
}

// value returns the value, or the largest int64 if it does not fit.
func (w uint128) value() int64 {
	if w.hi != 0 || w.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(w.lo)
}

// addPod adds a pod if sign is 1, or subtracts it if sign is -1.
func (s *loadSum) addPod(p *state.Pod, sign int64) {
	s.requested.add(p.Requested, sign)
	s.limits.add(p.Limits, sign)
	s.pods += sign
}

// add adds r if sign is 1, or subtracts it if sign is -1. An extended resource with the sum 0 is removed.
func (s *resourceSums) add(r state.Resources, sign int64) {
	s.cpu.add(r.CPUMillis, sign)
	s.memory.add(r.MemoryBytes, sign)
	s.storage.add(r.EphemeralStorageBytes, sign)
	for name, n := range r.Extended {
		if s.extended == nil {
			s.extended = map[string]uint128{}
		}
		sum := s.extended[name]
		sum.add(n, sign)
		if s.extended[name] = sum; sum == (uint128{}) {
			delete(s.extended, name)
		}
	}
}

// nodeLoad returns the sums as a fact.
func (s *loadSum) nodeLoad(node string) *state.NodeLoad {
	return &state.NodeLoad{Node: node, Requested: s.requested.resources(), Limits: s.limits.resources(), Pods: s.pods}
}

// resources returns the sums as Resources.
func (s *resourceSums) resources() state.Resources {
	r := state.Resources{CPUMillis: s.cpu.value(), MemoryBytes: s.memory.value(), EphemeralStorageBytes: s.storage.value()}
	for name, sum := range s.extended {
		if r.Extended == nil {
			r.Extended = make(map[string]int64, len(s.extended))
		}
		r.Extended[name] = sum.value()
	}
	return r
}
