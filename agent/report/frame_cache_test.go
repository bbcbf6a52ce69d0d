package report

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"

	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// allFrames returns the frames of a stream after it is closed.
func allFrames(t *testing.T, s *frameStream) (frames [][]byte) {
	for {
		frame, err := s.next(t.Context(), len(frames))
		if err != nil {
			t.Fatal(err)
		}
		if frame == nil {
			return frames
		}
		frames = append(frames, frame)
	}
}

func TestFrameStreamIsReadableWhileEncoding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFrameStream()
		var received []string
		encodeErr := errors.New("too large")
		var gotErr error
		go func() {
			for i := 0; ; i++ {
				frame, err := s.next(t.Context(), i)
				if frame == nil {
					gotErr = err
					return
				}
				received = append(received, string(frame))
			}
		}()
		for i, frame := range []string{"a", "b", "c"} {
			s.add([]byte(frame))
			synctest.Wait()
			if len(received) != i+1 || received[i] != frame {
				t.Fatalf("got frames %q after %q was added", received, frame)
			}
		}
		s.close(encodeErr)
		synctest.Wait()
		if !errors.Is(gotErr, encodeErr) {
			t.Errorf("stream ended with %v, want %v", gotErr, encodeErr)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other := newFrameStream()
		if _, err := other.next(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("next with a canceled context: got %v, want context.Canceled", err)
		}
	})
}

func TestFramesAreCachedByBase(t *testing.T) {
	c := newFrameCache(nil)
	cluster := statetest.New(1, 3, 50)
	first := cluster.State
	cluster.Step(5)
	cluster.Sample(1_800_000_000)
	v := &snapshot.Version{State: cluster.State}
	frames := map[string]func() ([][]byte, error){
		"snapshot": func() ([][]byte, error) { return allFrames(t, c.snapshot(v.State)), nil },
		"delta": func() ([][]byte, error) {
			f, ok, err := c.delta(v, first.Seq, first)
			if !ok {
				t.Error("got no delta")
			}
			return f, err
		},
		"usage": func() ([][]byte, error) { return c.usage(v.State.Usage, nil) },
	}
	for name, get := range frames {
		a, err := get()
		if err != nil {
			t.Fatal(err)
		}
		b, err := get()
		if err != nil {
			t.Fatal(err)
		}
		// A garbage collection between the two calls removes the cached frames. That is rare, so the test retries once.
		if runtime.KeepAlive(a); &a[0][0] != &b[0][0] {
			if third, err := get(); err != nil || &third[0][0] != &b[0][0] {
				t.Errorf("%s: got new frames for the same base, want the cached ones; error %v", name, err)
			}
		}
	}
	other, _, err := c.delta(v, first.Seq+1, nil)
	if err != nil || len(other) == 0 {
		t.Fatalf("delta from another base: got %d frames, %v; want some", len(other), err)
	}
	if frames, _ := c.usage(v.State.Usage, &state.Usage{N: 7}); len(frames) != 1 {
		t.Errorf("usage from another base: got %d frames, want 1", len(frames))
	}
}
