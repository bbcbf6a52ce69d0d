package report

import (
	"context"
	"sync"
)

// series is a list of frames that can be read while later frames are still encoded. Any number of masters can
// read it, so that they process the first frames while the rest is encoded.
type series struct {
	mu     sync.Mutex
	frames [][]byte
	ended  bool
	err    error
	more   chan struct{} // closed, and made anew, with each frame and at the end
}

func (s *series) add(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, frame)
	s.call()
}

// end says that there are no more, or why they cannot be made.
func (s *series) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.err = true, err
	s.call()
}

// call has all look who wait. s.mu is held.
func (s *series) call() {
	close(s.more)
	s.more = make(chan struct{})
}

// next returns the frame with the given number, or nil after the last frame. It waits for a frame that is not
// encoded yet.
func (s *series) next(ctx context.Context, number int) ([]byte, error) {
	for {
		s.mu.Lock()
		frames, ended, err, more := s.frames, s.ended, s.err, s.more
		s.mu.Unlock()
		switch {
		case number < len(frames):
			return frames[number], nil
		case ended:
			return nil, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
