package wire

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/columnar"
)

// Allowed difference between the estimated size of a State and the heap, in percent.
const leastEstimate, mostEstimate = -10, 40

// onlyKind returns a State of the objects of one kind in s.
func onlyKind(s *state.State, kind state.Kind) *state.State {
	d := state.Delta{To: s.Seq}
	for e := range s.Entries(kind) {
		d.Upserts = append(d.Upserts, e)
	}
	only, err := state.Apply(&state.State{}, d)
	if err != nil {
		panic(err)
	}
	return only
}

// heap returns the live heap in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// receiveAll returns a Receiver that received frames and a Bookmark.
func receiveAll(t testing.TB, frames [][]byte, bookmark *Bookmark, b Budget) *Receiver {
	t.Helper()
	r := NewReceiver(1, nil)
	if b != nil {
		r.SetBudget(b, 0)
	}
	receiveFrames(t, r, frames)
	if _, err := r.Receive(bookmark, now); err != nil {
		t.Fatal(err)
	}
	return r
}

// checkEstimate fails the test if an estimate differs too much from the measured memory.
func checkEstimate(t *testing.T, what string, estimate, took int64) {
	t.Helper()
	off := 100 * (float64(estimate)/float64(took) - 1)
	t.Logf("%s: estimated %d KiB, took %d KiB, %+.1f %%", what, estimate>>10, took>>10, off)
	if off < leastEstimate || off > mostEstimate {
		t.Errorf("%s: estimated at %d bytes, took %d: %+.1f %%, want from %d to %d %%", what, estimate, took, off, leastEstimate, mostEstimate)
	}
}

func TestEstimatedSizesMatchHeap(t *testing.T) {
	world := statetest.New(1, 2000, 8000)
	world.Sample(1_800_000_000)
	whole := world.State
	services := statetest.New(2, 2, 40_000).State // few Services come with so many pods
	for kind := range state.NumKinds {
		t.Run(kind.String(), func(t *testing.T) {
			s := onlyKind(whole, kind)
			if s.Len(kind) < 2000 {
				s = onlyKind(services, kind)
			}
			checkSize(t, s)
		})
	}
	t.Run("all", func(t *testing.T) { checkSize(t, whole) })
	t.Run("irregular", func(t *testing.T) { checkSize(t, randomState(10_000)) })
	t.Run("empty", func(t *testing.T) {
		if size := NewReceiver(1, nil).Size(); size != 0 {
			t.Errorf("nothing takes %d bytes", size)
		}
	})
}

// checkSize compares Size and measureContents with the heap after receiving s.
func checkSize(t *testing.T, s *state.State) {
	t.Helper()
	frames, err := codec.EncodeSnapshot(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	bookmark := &Bookmark{Seq: s.Seq, Count: s.Count(), Hash: HashState(s)}
	messages := frames
	if s.Usage != nil {
		usage, err := codec.EncodeAgent(NewUsage(s.Usage, nil))
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages[:len(messages):len(messages)], usage)
	}
	var b counter
	before := heap()
	r := receiveAll(t, messages, bookmark, &b)
	took := heap() - before
	what := fmt.Sprintf("%d objects", s.Count())
	checkEstimate(t, what, r.Size(), took)
	checkEstimate(t, what+", measured", columnar.ObjectsSize(r.held.state)+columnar.MeasureContents(r.held.state)+usageSize(r.held.Usage), took)
	if b.reserved < r.Size() {
		t.Errorf("%d bytes were reserved for what takes %d", b.reserved, r.Size())
	}
	if s.Usage == nil {
		r.CompactAs(codec, frames)
		r.held.Evict()
		if !r.held.Decoded() && r.Size() > 2*int64(size(frames))+int64(64*len(frames))+64 {
			t.Errorf("compacted it takes %d bytes, as %d bytes of frames", r.Size(), size(frames))
		}
	}
	runtime.KeepAlive(r)
}

// counter is a Budget that adds up reservations. It refuses those that exceed most, if most is
// set.
type counter struct{ reserved, most int64 }

func (c *counter) Reserve(n int64) error {
	if n < 0 {
		panic("less than nothing was reserved")
	}
	if c.most > 0 && c.reserved+n > c.most {
		return fmt.Errorf("%w: %d bytes and %d", ErrBudget, c.reserved, n)
	}
	c.reserved += n
	return nil
}

// TestSizeFollowsDeltas replaces most objects of a cluster. The estimate must not keep the strings
// of removed pods.
func TestSizeFollowsDeltas(t *testing.T) {
	w := statetest.New(3, 5, 100)
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReceiver(1, nil)
	r.SetBudget(&counter{}, 0)
	receiveFrames(t, r, frames)
	receive(t, r, bookmarkOf(w.State))
	first := r.Size()
	for n := range 200 {
		prev := w.State
		w.Step(10)
		var d *Delta
		if d = deltaOf(prev, w.State); n%2 == 0 {
			d = patchDeltaOf(prev, w.State)
		}
		if _, err := r.Receive(roundTripUndecoded(t, d), now); err != nil {
			t.Fatal(err)
		}
		receive(t, r, bookmarkOf(w.State))
	}
	measured := columnar.ObjectsSize(r.held.state) + columnar.MeasureContents(r.held.state)
	t.Logf("%d frames: %d KiB at first; %d objects: %d KiB, measured %d KiB", len(frames), first>>10, r.held.Count(), r.Size()>>10, measured>>10)
	if size := r.Size(); size < measured*9/10 || size > measured*3/2+512<<10 {
		t.Errorf("after 200 deltas it is estimated at %d bytes, and measured at %d", size, measured)
	}
}

// roundTripUndecoded encodes and decodes d, but not its objects.
func roundTripUndecoded(t *testing.T, d *Delta) AgentMessage {
	t.Helper()
	frame, err := codec.EncodeAgent(d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := codec.DecodeAgent(frame)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSizeOfLargestBenchmarkCluster uses 5,000 nodes and 20,000 pods, like hack/bench.
func TestSizeOfLargestBenchmarkCluster(t *testing.T) {
	w := statetest.New(5, 5000, 20_000)
	w.Sample(1_800_000_000)
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		t.Fatal(err)
	}
	var largest int64
	for _, f := range frames {
		largest = max(largest, DecodeSize(f))
	}
	t.Logf("%d chunks, DecodeSize at most %d KiB", len(frames), largest>>10)
	if largest > ChunkDecodeSize {
		t.Errorf("a chunk has a DecodeSize of %d bytes, want at most %d", largest, ChunkDecodeSize)
	}
	var b counter
	began, before := time.Now(), heap()
	r := receiveAll(t, frames, bookmarkOf(w.State), &b)
	elapsed := time.Since(began)
	checkEstimate(t, "5,000 nodes, 20,000 pods", r.Size(), heap()-before)
	t.Logf("%d objects, %d KiB of frames, %d KiB reserved on the way, in %s", r.held.Count(), size(frames)>>10, b.reserved>>10, elapsed.Round(time.Millisecond))
	runtime.KeepAlive(r)
	runtime.KeepAlive(w)
}

// receiveFrames decodes frames and applies their messages.
func receiveFrames(t testing.TB, r *Receiver, frames [][]byte) {
	t.Helper()
	for _, f := range frames {
		m, err := codec.DecodeAgent(f)
		if err == nil {
			_, err = r.Receive(m, now)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
