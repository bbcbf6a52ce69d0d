package report

import (
	"context"
	"sync"
)

// frameStream is a list of frames that can be read while later frames are still being encoded. Any number of
// sessions can read it. Masters can therefore process the first frames before the last ones are encoded.
type frameStream struct {
	mu     sync.Mutex
	frames [][]byte
	closed bool
	err    error
	// changed is closed and replaced with each new frame and when the stream is closed.
	changed chan struct{}
}

func newFrameStream() *frameStream { return &frameStream{changed: make(chan struct{})} }

// add appends a frame.
func (s *frameStream) add(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, frame)
	s.notify()
}

// close ends the stream. err is nil if all frames were encoded.
func (s *frameStream) close(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.err = true, err
	s.notify()
}

// notify wakes up all readers. The caller holds s.mu.
func (s *frameStream) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// next returns the frame with the given number, counted from 0. It returns nil after the last frame, and the error
// of close. It waits for a frame that is not encoded yet.
func (s *frameStream) next(ctx context.Context, number int) ([]byte, error) {
	for {
		s.mu.Lock()
		frames, closed, err, changed := s.frames, s.closed, s.err, s.changed
		s.mu.Unlock()
		switch {
		case number < len(frames):
			return frames[number], nil
		case closed:
			return nil, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
