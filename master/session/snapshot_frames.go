package session

import (
	"slices"

	"rollcall.dev/rollcall/api/wire"
)

// maxSnapshotFramesSize is the maximum size of a snapshot that is kept encoded, in bytes. The frames
// of a cluster with 100,000 containers have two million.
const maxSnapshotFramesSize = 16 << 20

// snapshotFrames has the frames of the snapshot that is being received, until a Bookmark ends it, so that it can be
// compacted without encoding it again.
type snapshotFrames struct {
	// frames is nil if they are too large.
	frames [][]byte
	// size is the size of all frames, also of those that were dropped, or 0 outside a snapshot.
	size int
}

// keep keeps a frame. It drops all of them when they become too large: an agent may send any number
// of frames that are almost empty. The error is that of the budget.
func (s *snapshotFrames) keep(data []byte, b wire.Budget) error {
	const overhead = 64 // memory of an empty frame in bytes
	size := len(data) + overhead
	if s.size += size; s.size > maxSnapshotFramesSize {
		s.frames = nil
		return nil
	}
	if err := b.Reserve(int64(size)); err != nil {
		return err
	}
	s.frames = append(s.frames, slices.Clone(data))
	return nil
}
