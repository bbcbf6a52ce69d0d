package wire

import (
	"fmt"
	"sync"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
)

// LazyState is a State whose objects may be compact: encoded as the frames of a snapshot, about 30 bytes per container
// instead of about 500. Compact objects are decoded by the first reader, and kept decoded until Evict. Its methods are
// safe for concurrent use.
type LazyState struct {
	// Epoch, Seq, Usage and Sections are those of the State. They must not be modified.
	Epoch, Seq uint64
	Usage      *state.Usage
	Sections   [state.NumSections]state.Section

	// state is the State. It is nil if the objects are compact.
	state   *state.State
	compact *compactObjects
}

// compactObjects has the objects of a State as the frames of a snapshot, and decoded while they are in use. LazyStates
// with the same objects share it.
type compactObjects struct {
	id       state.ObjectsID
	codec    *Codec
	frames   [][]byte
	epoch    uint64
	bookmark Bookmark // of the snapshot
	// objectsSize is columnar.ObjectsSize of the objects, and contents the size of their lists and strings, in bytes.
	objectsSize, contents int64
	// nodeSlots has the slots of the nodes, which a Summary needs with each reading of usage.
	nodeSlots []uint32

	mu sync.Mutex
	// decoded is nil until the objects are read, and after Evict.
	decoded *state.State
	// err is the error of the last decoding.
	err error
}

// NewLazyState returns s as a LazyState that is not compact.
func NewLazyState(s *state.State) *LazyState {
	return &LazyState{Epoch: s.Epoch, Seq: s.Seq, Usage: s.Usage, Sections: s.Sections, state: s}
}

// State returns the State. It decodes compact objects unless they are decoded already, about a millisecond for 300
// containers. It returns an error if they cannot be decoded, which means that memory was corrupted or that there is a bug
// in this program. A Receiver that holds the same objects then returns an error that wraps ErrResync.
func (l *LazyState) State() (*state.State, error) {
	if l.state != nil {
		return l.state, nil
	}
	objects, err := l.compact.objects()
	if err != nil {
		return nil, err
	}
	s := *objects
	s.Epoch, s.Seq, s.Usage, s.Sections = l.Epoch, l.Seq, l.Usage, l.Sections
	return &s, nil
}

// Count returns the number of objects.
func (l *LazyState) Count() int {
	if l.compact != nil {
		return l.compact.bookmark.Count
	}
	return l.state.Count()
}

// NodeSlots yields the slots of the nodes.
func (l *LazyState) NodeSlots(yield func(uint32) bool) {
	if l.compact != nil {
		for _, slot := range l.compact.nodeSlots {
			if !yield(slot) {
				return
			}
		}
		return
	}
	for e := range l.state.Entries(state.KindNode) {
		if !yield(e.Slot) {
			return
		}
	}
}

// ObjectsID returns the ID of the objects. Unlike that of State, it stays the same when they are evicted and decoded
// again.
func (l *LazyState) ObjectsID() state.ObjectsID {
	if l.compact != nil {
		return l.compact.id
	}
	return l.state.ObjectsID()
}

// IsCompact reports whether the objects are compact, decoded or not.
func (l *LazyState) IsCompact() bool { return l.compact != nil }

// Decoded reports whether State returns without decoding.
func (l *LazyState) Decoded() bool {
	if l.compact == nil {
		return true
	}
	l.compact.mu.Lock()
	defer l.compact.mu.Unlock()
	return l.compact.decoded != nil
}

// Evict drops the decoded objects, also of the other LazyStates that have the same objects, if they are compact. The
// next reader decodes them again.
func (l *LazyState) Evict() {
	if l.compact != nil {
		l.compact.mu.Lock()
		defer l.compact.mu.Unlock()
		l.compact.decoded = nil
	}
}

// decodeError returns the error of the last decoding.
func (l *LazyState) decodeError() error {
	if l.compact == nil {
		return nil
	}
	l.compact.mu.Lock()
	defer l.compact.mu.Unlock()
	return l.compact.err
}

// update returns the LazyState, which must be compact, with another seq and other sections, and with usage unless that
// is nil.
func (l *LazyState) update(seq uint64, usage *state.Usage, sections *[state.NumSections]state.Section) *LazyState {
	next := *l
	next.Seq, next.Sections = seq, *sections
	if usage != nil {
		next.Usage = usage
	}
	return &next
}

// objectsSize returns columnar.ObjectsSize.
func (l *LazyState) objectsSize() int64 {
	if l.compact != nil {
		return l.compact.objectsSize
	}
	return columnar.ObjectsSize(l.state)
}

// hash returns HashState of the State.
func (l *LazyState) hash() Hash {
	if l.compact != nil {
		return l.compact.bookmark.Hash
	}
	return HashState(l.state)
}

// Diff returns the Delta from prev to next, as state.Diff does. It decodes no objects if both have the same.
func Diff(prev, next *LazyState) (state.Delta, error) {
	before, after := &state.State{Seq: prev.Seq, Usage: prev.Usage, Sections: prev.Sections}, &state.State{Epoch: next.Epoch, Seq: next.Seq, Usage: next.Usage, Sections: next.Sections}
	if prev.ObjectsID() != next.ObjectsID() {
		var err error
		if before, err = prev.State(); err != nil {
			return state.Delta{}, err
		}
		if after, err = next.State(); err != nil {
			return state.Delta{}, err
		}
	}
	return state.Diff(before, after), nil
}

// SnapshotFrames returns the frames of a snapshot of l and the hash for its Bookmark. If l is compact, these are its
// frames; their snapshot has the seq at which the objects were encoded.
func (c *Codec) SnapshotFrames(l *LazyState) ([][]byte, Hash, error) {
	if l.compact != nil {
		return l.compact.frames, l.compact.bookmark.Hash, nil
	}
	frames, err := c.EncodeSnapshot(l.state, 0)
	return frames, HashState(l.state), err
}

// Compact makes the objects of the held State compact, and returns that State. It stays decoded until LazyState.Evict.
// Compacting costs as much as encoding a snapshot, and decoding as much as receiving one.
func (r *Receiver) Compact(c *Codec) (*LazyState, error) {
	if r.held.compact != nil || !r.mayCompact(-1) {
		return r.held, nil
	}
	frames, err := c.EncodeSnapshot(r.held.state, 0)
	if err != nil {
		return nil, fmt.Errorf("compact objects: %w", err)
	}
	return r.CompactAs(c, frames), nil
}

// CompactAs is like Compact for frames that exist already: those of the snapshot that r received, if no object has
// changed since. The caller must not modify them afterwards.
//
// A State that is much larger than its frames is returned unchanged, since no Budget is checked when a reader decodes it.
func (r *Receiver) CompactAs(codec *Codec, frames [][]byte) *LazyState {
	if r.held.compact != nil {
		return r.held
	}
	s := r.held.state
	c := &compactObjects{
		id: s.ObjectsID(), codec: codec, frames: frames, epoch: s.Epoch, bookmark: Bookmark{Seq: s.Seq, Count: s.Count(), Hash: r.hash},
		objectsSize: r.held.objectsSize(), contents: r.contents, decoded: s,
	}
	if !r.mayCompact(c.size()) {
		return r.held
	}
	for slot := range r.held.NodeSlots {
		c.nodeSlots = append(c.nodeSlots, slot)
	}
	next := *r.held
	next.state, next.compact = nil, c
	r.held = &next
	return r.held
}

// maxCompacted is the largest size of a State that is compacted, in bytes, and maxCompactedRatio
// the largest ratio of that size to the size of its frames. A cluster of identical pods has a
// ratio of about 150.
const maxCompacted, maxCompactedRatio = 64 << 20, 512

// mayCompact reports whether the State may be compacted to frames of the given size in bytes. The
// size is negative if it is not known yet.
func (r *Receiver) mayCompact(frames int64) bool {
	size := r.held.objectsSize() + r.contents
	return size <= maxCompacted && (frames < 0 || size <= maxCompactedRatio*frames)
}

// size returns the estimated memory of the compact form, in bytes.
func (c *compactObjects) size() int64 {
	const overhead = 64
	size := int64(overhead)
	for _, f := range c.frames {
		size += int64(len(f)) + overhead
	}
	return size
}

// objects returns a State with the objects. It decodes them if they are not decoded. It does not try again after an
// error.
func (c *compactObjects) objects() (*state.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.decoded == nil && c.err == nil {
		if c.decoded, c.err = c.decode(); c.err != nil {
			c.err = fmt.Errorf("decode compact objects: %w", c.err)
		}
	}
	return c.decoded, c.err
}

// decode decodes the frames.
func (c *compactObjects) decode() (*state.State, error) {
	r := NewReceiver(c.epoch, nil)
	for _, frame := range c.frames {
		m, err := c.codec.DecodeAgent(frame)
		if err != nil {
			return nil, err
		}
		if _, err := r.Receive(m, time.Time{}); err != nil {
			return nil, err
		}
	}
	held, err := r.Receive(&c.bookmark, time.Time{})
	if err != nil {
		return nil, err
	}
	return held.state, nil
}
