package facts

import (
	"math"
	"math/bits"

	"rollcall.dev/rollcall/api/state"
)

// loads reports whether a pod counts for the node it is bound to. It is the rule of the
// scheduler and of `kubectl describe node`: a terminating pod still does, a finished
// one does not.
func loads(p *state.Pod) bool { return p.Node != "" && !p.Phase.Finished() }

// loadSum is the running sum of what pods take of a node. It is exact whatever is added
// and taken away again; what is published saturates.
type loadSum struct {
	requested, limits amountSums
	pods              int64
}

// amountSums are the sums of Resources.
type amountSums struct {
	cpu, memory, storage wide
	extended             map[string]wide
}

// wide is an unsigned sum of 128 bits.
type wide struct{ hi, lo uint64 }

func (w *wide) add(n int64, sign int64) {
	var carry uint64
	if sign > 0 {
		w.lo, carry = bits.Add64(w.lo, uint64(n), 0) //nolint:gosec // two's complement is meant
		w.hi += carry
		return
	}
	w.lo, carry = bits.Sub64(w.lo, uint64(n), 0) //nolint:gosec // two's complement is meant
	w.hi -= carry
}

// value returns the sum, and the largest int64 where it does not fit.
func (w wide) value() int64 {
	if w.hi != 0 || w.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(w.lo)
}

// addPod adds a pod to what its node carries, or with sign -1 takes it away.
func (s *loadSum) addPod(p *state.Pod, sign int64) {
	s.requested.add(p.Requested, sign)
	s.limits.add(p.Limits, sign)
	s.pods += sign
}

func (s *amountSums) add(r state.Resources, sign int64) {
	s.cpu.add(r.CPUMillis, sign)
	s.memory.add(r.MemoryBytes, sign)
	s.storage.add(r.EphemeralStorageBytes, sign)
	for name, n := range r.Extended {
		if s.extended == nil {
			s.extended = map[string]wide{}
		}
		sum := s.extended[name]
		sum.add(n, sign)
		if s.extended[name] = sum; sum == (wide{}) {
			delete(s.extended, name)
		}
	}
}

// published returns the sums as an object that no later sum changes.
func (s *loadSum) published(node string) *state.NodeLoad {
	return &state.NodeLoad{Node: node, Requested: s.requested.published(), Limits: s.limits.published(), Pods: s.pods}
}

func (s *amountSums) published() state.Resources {
	r := state.Resources{CPUMillis: s.cpu.value(), MemoryBytes: s.memory.value(), EphemeralStorageBytes: s.storage.value()}
	for name, sum := range s.extended {
		if r.Extended == nil {
			r.Extended = make(map[string]int64, len(s.extended))
		}
		r.Extended[name] = sum.value()
	}
	return r
}
