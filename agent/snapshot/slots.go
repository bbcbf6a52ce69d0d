package snapshot

import "rollcall.dev/rollcall/api/state"

// slotAllocator allocates small numbers for nodes and containers. It reuses released
// numbers first, so that columns indexed by slot stay as short as possible.
type slotAllocator struct {
	used uint32
	free []uint32
}

func (s *slotAllocator) allocate() uint32 {
	if n := len(s.free); n > 0 {
		slot := s.free[n-1]
		s.free = s.free[:n-1]
		return slot
	}
	s.used++
	return s.used - 1
}

func (s *slotAllocator) release(slot uint32) { s.free = append(s.free, slot) }

// hasSlot reports whether objects of the kind have usage, and therefore a slot.
func hasSlot(kind state.Kind) bool { return kind == state.KindNode || kind == state.KindContainer }
