package state

import "sync"

// contents holds a State's objects, in tables or in compact form. It is immutable.
type contents struct {
	// identity is the same pointer in States that share their objects, nil if there are none.
	identity *identity
	tables   [NumKinds]table
	// compacted is used instead of tables if it is not nil.
	compacted *compacted
}

// identity identifies a set of objects by its address, so that States can be compared without
// decoding their objects. It has a size, since pointers to empty structs may be equal.
type identity struct{ _ byte }

// compacted holds objects in compact form, and their decoded form while they are in use.
type compacted struct {
	lens [NumKinds]int
	// nodeSlots holds the nodes' slots, which a Summary needs with each reading of usage.
	nodeSlots []uint32
	form      Compacted

	mu sync.Mutex
	// decoded has the decoded objects, nil after they were evicted.
	decoded *[NumKinds]table
}

// table returns the objects of a kind, decoded.
func (o *contents) table(kind Kind) *table {
	if o.compacted == nil {
		return &o.tables[kind]
	}
	return &o.compacted.decode()[kind]
}

// len returns the number of objects of a kind, without decoding them.
func (o *contents) len(kind Kind) int {
	if o.compacted == nil {
		return o.tables[kind].len
	}
	return o.compacted.lens[kind]
}

// with returns the objects after edits. The edits of a kind are in key order, each key once.
func (o *contents) with(edits *[NumKinds][]edit) contents {
	next := contents{identity: &identity{}}
	for kind := range NumKinds {
		next.tables[kind] = o.table(kind).with(edits[kind])
	}
	return next
}

// decode returns the objects, and decodes them if they were evicted.
func (c *compacted) decode() *[NumKinds]table {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decoded == nil {
		o := &c.form.Decode().contents
		c.decoded = new([NumKinds]table)
		for kind := range NumKinds {
			c.decoded[kind] = *o.table(kind)
		}
	}
	return c.decoded
}

// isDecoded reports whether the decoded objects are in memory.
func (c *compacted) isDecoded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.decoded != nil
}

// Compacted has a State's objects in a form that takes less memory, their compact form.
type Compacted interface {
	// Decode decodes the objects and returns a State with the same entries. It is called by one
	// goroutine at a time.
	Decode() *State
}

// Compact returns a State equal to s that also has form, the compact form of its objects. The
// decoded objects can then be dropped (EvictObjects, WithoutObjects), and the next reader decodes
// form. Len and Count do not decode it.
func (s *State) Compact(form Compacted) *State {
	next, to := *s, &compacted{form: form, decoded: new([NumKinds]table)}
	next.contents = contents{identity: s.contents.identity, compacted: to}
	for kind := range NumKinds {
		to.lens[kind], to.decoded[kind] = s.Len(kind), *s.contents.table(kind)
	}
	for e := range s.Entries(KindNode) {
		to.nodeSlots = append(to.nodeSlots, e.Slot)
	}
	return &next
}

// Compacted returns the compact form of the objects of s, or nil if there is none.
func (s *State) Compacted() Compacted {
	if s.contents.compacted == nil {
		return nil
	}
	return s.contents.compacted.form
}

// WithoutObjects returns a State equal to s without the decoded objects, which s keeps. It returns
// s itself if there is no compact form or nothing is decoded.
func (s *State) WithoutObjects() *State {
	c := s.contents.compacted
	if c == nil || !c.isDecoded() {
		return s
	}
	next := *s
	next.contents.compacted = &compacted{lens: c.lens, nodeSlots: c.nodeSlots, form: c.form}
	return &next
}

// EvictObjects drops the decoded objects of s, and of all States that share them, if they
// have a compact form. The next reader decodes them again.
func (s *State) EvictObjects() {
	if c := s.contents.compacted; c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.decoded = nil
	}
}

// ObjectsEvicted reports whether s has its objects in compact form only.
func (s *State) ObjectsEvicted() bool {
	return s.contents.compacted != nil && !s.contents.compacted.isDecoded()
}

// SameObjects reports whether s and o share their objects, seqs and slots, without decoding them.
// It is false for States with equal objects that were created independently.
func (s *State) SameObjects(o *State) bool { return s.contents.identity == o.contents.identity }

// nodeSlots yields the nodes' slots, without decoding objects.
func (s *State) nodeSlots(yield func(uint32) bool) {
	if c := s.contents.compacted; c != nil {
		for _, slot := range c.nodeSlots {
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
