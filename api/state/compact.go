package state

import "sync"

// contents holds a State's objects, in tables or in compact form. It is immutable.
type contents struct {
	// edition is the same pointer in States with the same objects, nil if there are none.
	edition *edition
	tables  [NumKinds]table
	// compacted, if not nil, takes the place of tables.
	compacted *compacted
}

// edition identifies a set of objects by its address, so that States can be compared
// without their objects.
type edition struct{ _ byte }

// compacted holds objects in compact form, and decoded while they are in use.
type compacted struct {
	lens [NumKinds]int
	// nodeSlots holds the nodes' slots, which a Summary needs with each reading of usage.
	nodeSlots []uint32
	form      Compacted

	mu sync.Mutex
	// fetched holds the decoded objects, nil after they were evicted.
	fetched *[NumKinds]table
}

// table returns the objects of a kind, decoded.
func (o *contents) table(kind Kind) *table {
	if o.compacted == nil {
		return &o.tables[kind]
	}
	return &o.compacted.fetch()[kind]
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
	next := contents{edition: &edition{}}
	for kind := range NumKinds {
		next.tables[kind] = o.table(kind).with(edits[kind])
	}
	return next
}

// fetch returns the objects, decoded again if they were evicted.
func (c *compacted) fetch() *[NumKinds]table {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fetched == nil {
		o := &c.form.Decode().contents
		c.fetched = new([NumKinds]table)
		for kind := range NumKinds {
			c.fetched[kind] = *o.table(kind)
		}
	}
	return c.fetched
}

// isFetched reports whether the objects are decoded.
func (c *compacted) isFetched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fetched != nil
}

// Compacted keeps a State's objects in a form that takes less memory.
type Compacted interface {
	// Fetch decodes the objects and returns a State with the same entries as were compacted.
	// It is called by one goroutine at a time.
	Decode() *State
}

// Compact returns a State equal to s that has form beside its objects. The objects can then
// be evicted (EvictObjects, WithoutObjects), and are decoded again by the next reader. Their
// number is known without decoding.
func (s *State) Compact(form Compacted) *State {
	next, to := *s, &compacted{form: form, fetched: new([NumKinds]table)}
	next.contents = contents{edition: s.contents.edition, compacted: to}
	for kind := range NumKinds {
		to.lens[kind], to.fetched[kind] = s.Len(kind), *s.contents.table(kind)
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

// WithoutObjects returns a State equal to s in compact form only, or s itself if it has no
// compact form or no decoded objects. s keeps its own objects.
func (s *State) WithoutObjects() *State {
	c := s.contents.compacted
	if c == nil || !c.isFetched() {
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
		c.fetched = nil
	}
}

// ObjectsEvicted reports whether s has its objects in compact form only.
func (s *State) ObjectsEvicted() bool {
	return s.contents.compacted != nil && !s.contents.compacted.isFetched()
}

// SameObjects reports whether s and o are known to have the same objects with the same seqs
// and slots, without decoding them. It may be false for States that were made apart and are
// equal.
func (s *State) SameObjects(o *State) bool { return s.contents.edition == o.contents.edition }

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
