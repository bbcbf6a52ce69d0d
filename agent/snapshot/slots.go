package snapshot

import "rollcall.dev/rollcall/api/state"

// slots gives small numbers to nodes and containers, the released ones first, so
// that columns by slot stay as short as the cluster is large.
type slots struct {
	used uint32
	free []uint32
}

func (s *slots) give() uint32 {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot
	}
	s.used++
	return s.used - 1
}

func (s *slots) release(slot uint32) { s.free = append(s.free, slot) }

// hasSlot says that objects of a kind have usage.
func hasSlot(kind state.Kind) bool { return kind == state.KindNode || kind == state.KindContainer }
