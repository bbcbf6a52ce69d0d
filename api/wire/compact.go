package wire

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/columnar"
)

// Compact adds a compact form, the frames of a snapshot, to the State that r holds, and returns
// the State. Once the objects are evicted a container takes about 30 bytes instead of about 500.
// Compacting costs as much as encoding a snapshot, and decoding as much as receiving one. The
// objects stay decoded until State.EvictObjects is called.
func (r *Receiver) Compact(c *Codec) (*state.State, error) {
	if r.held.Compacted() != nil || !r.mayCompact(-1) {
		return r.held, nil
	}
	frames, err := c.EncodeSnapshot(r.held, 0)
	if err != nil {
		return nil, fmt.Errorf("compact objects: %w", err)
	}
	return r.CompactAs(c, frames), nil
}

// CompactAs is like Compact for frames that exist already: those of the snapshot that r
// received, if no object has changed since. The caller must not modify them afterwards.
//
// A State that is much larger than its frames is returned unchanged, since no Budget is checked
// when a reader decodes it.
func (r *Receiver) CompactAs(c *Codec, frames [][]byte) *state.State {
	form := &compacted{
		codec: c, frames: frames, contents: r.contents,
		epoch: r.held.Epoch, bookmark: Bookmark{Seq: r.held.Seq, Count: r.held.Count(), Hash: r.hash},
	}
	if !r.mayCompact(form.size()) {
		return r.held
	}
	r.held = r.held.Compact(form)
	return r.held
}

// maxCompacted is the largest size of a State that is compacted, in bytes, and maxCompactedRatio
// the largest ratio of that size to the size of its frames. A cluster of identical pods has a
// ratio of about 150.
const maxCompacted, maxCompactedRatio = 64 << 20, 512

// mayCompact reports whether the State may be compacted to frames of the given size in bytes. The
// size is negative if it is not known yet.
func (r *Receiver) mayCompact(frames int64) bool {
	size := columnar.ObjectsSize(r.held) + r.contents
	return size <= maxCompacted && (frames < 0 || size <= maxCompactedRatio*frames)
}

// SnapshotFrames returns the frames of a snapshot of s and the hash for its Bookmark. For a
// compacted State it returns the existing frames; their snapshot has the seq at which the State
// was compacted.
func (c *Codec) SnapshotFrames(s *state.State) ([][]byte, Hash, error) {
	if form, ok := s.Compacted().(*compacted); ok {
		return form.frames, form.bookmark.Hash, nil
	}
	frames, err := c.EncodeSnapshot(s, 0)
	return frames, HashState(s), err
}

// hashOf returns HashState(s), without decoding compacted objects.
func hashOf(s *state.State) Hash {
	if form, ok := s.Compacted().(*compacted); ok {
		return form.bookmark.Hash
	}
	return HashState(s)
}

// compacted holds a State's objects as the frames of a snapshot, with their Bookmark.
type compacted struct {
	codec    *Codec
	frames   [][]byte
	epoch    uint64
	bookmark Bookmark
	// contents is the size of the objects' lists and strings, in bytes.
	contents int64
}

// size returns the estimated memory of the compact form, in bytes.
func (s *compacted) size() int64 {
	const overhead = 64
	size := int64(overhead)
	for _, f := range s.frames {
		size += int64(len(f)) + overhead
	}
	return size
}

// Decode implements state.Compacted. It panics on an error, which cannot occur because this
// process encoded or decoded the same frames before.
func (s *compacted) Decode() *state.State {
	objects, err := s.decode()
	if err != nil {
		panic(fmt.Sprintf("compacted objects cannot be decoded: %v", err))
	}
	return objects
}

// decode decodes the frames.
func (s *compacted) decode() (*state.State, error) {
	r := NewReceiver(s.epoch, nil)
	for _, frame := range s.frames {
		m, err := s.codec.DecodeAgent(frame)
		if err != nil {
			return nil, err
		}
		if _, err := r.Receive(m, time.Time{}); err != nil {
			return nil, err
		}
	}
	return r.Receive(&s.bookmark, time.Time{})
}
