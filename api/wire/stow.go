package wire

import (
	"fmt"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// Stow has the objects that r holds kept as the frames of a snapshot, some twenty
// bytes a container instead of some five hundred, until somebody looks at them, and
// gives the State that r holds from then on: the same in all that it says. It costs
// about as much as to send a snapshot, and a look as much as to receive one. The objects
// are let go of with Rest only: who has just been told of them may look at them.
func (r *Receiver) Stow(c *Codec) (*state.State, error) {
	if r.held.Stowed() != nil || !r.mayStow(-1) {
		return r.held, nil
	}
	frames, err := c.EncodeSnapshot(r.held, 0)
	if err != nil {
		return nil, fmt.Errorf("stow objects: %w", err)
	}
	return r.StowAs(c, frames), nil
}

// StowAs is Stow where the frames are there: those of the snapshot that r took in, if
// no object changed since. They must not be changed any more.
//
// What takes much more than its frames is not stowed: somebody who looks at a thousand
// clusters has them made anew, and no Budget is asked then.
func (r *Receiver) StowAs(c *Codec, frames [][]byte) *state.State {
	away := &stowage{
		codec: c, frames: frames, contents: r.contents,
		epoch: r.held.Epoch, mark: Bookmark{Seq: r.held.Seq, Count: r.held.Count(), Hash: r.hash},
	}
	if !r.mayStow(away.size()) {
		return r.held
	}
	r.held = r.held.Stow(away)
	return r.held
}

// maxStowed is the largest State that is stowed, in bytes, and maxStowedRatio by how much
// it may be larger than its frames. A cluster whose pods are all alike comes to some 150.
const maxStowed, maxStowedRatio = 64 << 20, 512

// mayStow says whether what is held may be stowed as frames of a size; negative: of one
// that is not known yet.
func (r *Receiver) mayStow(frames int64) bool {
	size := objectsSize(r.held) + r.contents
	return size <= maxStowed && (frames < 0 || size <= maxStowedRatio*frames)
}

// SnapshotOf are the frames of a snapshot of s, and the hash that its Bookmark is to
// have. Where the objects are stowed both are there already; the snapshot then leads up
// to the seq at which they were, and what came since is not theirs.
func (c *Codec) SnapshotOf(s *state.State) ([][]byte, Hash, error) {
	if away, ok := s.Stowed().(*stowage); ok {
		return away.frames, away.mark.Hash, nil
	}
	frames, err := c.EncodeSnapshot(s, 0)
	return frames, HashState(s), err
}

// hashOf is HashState without a look at stowed objects.
func hashOf(s *state.State) Hash {
	if away, ok := s.Stowed().(*stowage); ok {
		return away.mark.Hash
	}
	return HashState(s)
}

// stowage is a State's objects as frames, and what they must come to.
type stowage struct {
	codec  *Codec
	frames [][]byte
	epoch  uint64
	mark   Bookmark
	// contents is what the lists and strings of the objects take.
	contents int64
}

// size is what the frames take, and the slots of nodes that a State keeps beside them.
func (s *stowage) size() int64 {
	const besides = 64
	size := int64(besides)
	for _, f := range s.frames {
		size += int64(len(f)) + besides
	}
	return size
}

// Fetch makes the objects anew. What this process itself has encoded, it can decode.
func (s *stowage) Fetch() *state.State {
	objects, err := s.receive()
	if err != nil {
		panic(fmt.Sprintf("objects that were stowed cannot be fetched: %v", err))
	}
	return objects
}

func (s *stowage) receive() (*state.State, error) {
	r := NewReceiver(s.epoch, nil)
	for _, frame := range s.frames {
		m, err := s.codec.DecodeAgent(frame)
		if err != nil {
			return nil, err
		}
		if _, err := r.Take(m, time.Time{}); err != nil {
			return nil, err
		}
	}
	return r.Take(&s.mark, time.Time{})
}
