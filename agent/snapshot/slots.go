package snapshot

import "rollcall.dev/rollcall/api/state"

// slotAllocator allocates slots for nodes and containers: numbers that count up from 0. It reuses
// released slots first, so that columns that are indexed by slot stay short.
type slotAllocator struct {
	next     uint32
	released []uint32
}

func (s *slotAllocator) allocate() uint32 {
	if n := len(s.released); n > 0 {
		slot := s.released[n-1]
		s.released = s.released[:n-1]
		return slot
	}
	s.next++
	return s.next - 1
}

func (s *slotAllocator) release(slot uint32) { s.released = append(s.released, slot) }

// hasSlot reports whether objects of the kind have usage, and therefore a slot.
func hasSlot(kind state.Kind) bool { return kind == state.KindNode || kind == state.KindContainer }
