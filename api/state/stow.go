package state

import "sync"

// contents are a State's objects: in tables, or stowed away. They are never mutated.
type contents struct {
	// edition is one and the same in States that have the same objects, nil where there
	// are none.
	edition *edition
	tables  [NumKinds]table
	// stowed has the tables where it is not nil.
	stowed *stowed
}

// edition tells whether objects are the same without a look at them. Its address
// counts.
type edition struct{ _ byte }

// stowed are objects that are made anew for whoever looks at them.
type stowed struct {
	lens [NumKinds]int
	// nodeSlots are the nodes' slots, which a Summary needs with each reading of usage.
	nodeSlots []uint32
	away      Stowage

	mu sync.Mutex
	// fetched are the objects, nil where they were let go of.
	fetched *[NumKinds]table
}

func (o *contents) table(kind Kind) *table {
	if o.stowed == nil {
		return &o.tables[kind]
	}
	return &o.stowed.look()[kind]
}

func (o *contents) len(kind Kind) int {
	if o.stowed == nil {
		return o.tables[kind].len
	}
	return o.stowed.lens[kind]
}

// with are the objects after edits, of each kind in key order with no key twice.
func (o *contents) with(edits *[NumKinds][]edit) contents {
	next := contents{edition: &edition{}}
	for kind := range NumKinds {
		next.tables[kind] = o.table(kind).with(edits[kind])
	}
	return next
}

func (s *stowed) look() *[NumKinds]table {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetched == nil {
		o := &s.away.Fetch().contents
		s.fetched = new([NumKinds]table)
		for kind := range NumKinds {
			s.fetched[kind] = *o.table(kind)
		}
	}
	return s.fetched
}

// isFetched says that the objects are there.
func (s *stowed) isFetched() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fetched != nil
}

// Stowage keeps a State's objects in a form that takes less room.
type Stowage interface {
	// Fetch makes them anew: a State with the very entries that were stowed. It is called
	// by one goroutine at a time.
	Fetch() *State
}

// Stow is s, equal in all that it says, with its objects stowed: whoever looks at them
// when they were let go of (Rest, Restow) has them fetched. The number of objects is known
// without a look.
func (s *State) Stow(away Stowage) *State {
	next, to := *s, &stowed{away: away, fetched: new([NumKinds]table)}
	next.contents = contents{edition: s.contents.edition, stowed: to}
	for kind := range NumKinds {
		to.lens[kind], to.fetched[kind] = s.Len(kind), *s.contents.table(kind)
	}
	for e := range s.Entries(KindNode) {
		to.nodeSlots = append(to.nodeSlots, e.Slot)
	}
	return &next
}

// Stowed is where the objects of s are stowed, nil where they are not.
func (s *State) Stowed() Stowage {
	if s.contents.stowed == nil {
		return nil
	}
	return s.contents.stowed.away
}

// Restow is another State without the objects that were stowed, or fetched since, which
// s may keep. It is s itself where it has none, and nil where they are not stowed.
func (s *State) Restow() *State {
	away := s.contents.stowed
	switch {
	case away == nil:
		return nil
	case !away.isFetched():
		return s
	}
	next := *s
	next.contents.stowed = &stowed{lens: away.lens, nodeSlots: away.nodeSlots, away: away.away}
	return &next
}

// Rest lets go of the objects of s where they are stowed: whoever looks at them from then
// on, through whatever State they were stowed with, has them fetched.
func (s *State) Rest() {
	if away := s.contents.stowed; away != nil {
		away.mu.Lock()
		defer away.mu.Unlock()
		away.fetched = nil
	}
}

// Rests says that s has its objects stowed, and none at hand.
func (s *State) Rests() bool { return s.contents.stowed != nil && !s.contents.stowed.isFetched() }

// SameObjects says that s and o are known to have the same objects, each of the same
// seq and slot, without a look at them. States that came about apart may have the
// same all the same.
func (s *State) SameObjects(o *State) bool { return s.contents.edition == o.contents.edition }

// nodeSlots are the nodes' slots, without a look at stowed objects.
func (s *State) nodeSlots(yield func(uint32) bool) {
	if away := s.contents.stowed; away != nil {
		for _, slot := range away.nodeSlots {
			if !yield(slot) {
				return
			}
		}
		return
	}
	for e := range s.Entries(KindNode) {
		if !yield(e.Slot) {
			return
		}
	}
}
