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

// all are the frames of a series, once all are there.
func all(t *testing.T, s *series) (frames [][]byte) {
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

func TestFramesOfASeriesAreSentWhileOthersAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &series{more: make(chan struct{})}
		var taken []string
		failed := errors.New("too large")
		var last error
		go func() {
			for i := 0; ; i++ {
				frame, err := s.next(t.Context(), i)
				if frame == nil {
					last = err
					return
				}
				taken = append(taken, string(frame))
			}
		}()
		for i, frame := range []string{"a", "b", "c"} {
			s.add([]byte(frame))
			synctest.Wait()
			if len(taken) != i+1 || taken[i] != frame {
				t.Fatalf("taken are %q after %q was made", taken, frame)
			}
		}
		s.end(failed)
		synctest.Wait()
		if !errors.Is(last, failed) {
			t.Errorf("it ended with %v, want %v", last, failed)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		other := &series{more: make(chan struct{})}
		if _, err := other.next(ctx, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits any more, and it ended with %v", err)
		}
	})
}

func TestMastersAtTheSameBaseShareOneEncoding(t *testing.T) {
	e := newEncodings(nil)
	world := statetest.New(1, 3, 50)
	first := world.State
	world.Step(5)
	world.Sample(1_800_000_000)
	v := &snapshot.Version{State: world.State}
	frames := map[string]func() ([][]byte, error){
		"snapshot": func() ([][]byte, error) { return all(t, e.snapshot(v.State)), nil },
		"delta": func() ([][]byte, error) {
			f, ok, err := e.delta(v, first.Seq, first)
			if !ok {
				t.Error("there is no delta")
			}
			return f, err
		},
		"usage": func() ([][]byte, error) { return e.usage(v.State.Usage, nil) },
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
		// A collection in between makes it twice, which is rare and harmless.
		if runtime.KeepAlive(a); &a[0][0] != &b[0][0] {
			if c, err := get(); err != nil || &c[0][0] != &b[0][0] {
				t.Errorf("%s: encoded again and again for the same base, or %v", name, err)
			}
		}
	}
	other, _, err := e.delta(v, first.Seq+1, nil)
	if err != nil || len(other) == 0 {
		t.Fatalf("a delta from another base: %d frames, %v", len(other), err)
	}
	if same, _ := e.usage(v.State.Usage, &state.Usage{N: 7}); len(same) != 1 {
		t.Errorf("usage from another base: %d frames", len(same))
	}
}
