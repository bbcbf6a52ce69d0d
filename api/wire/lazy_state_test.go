package wire

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// receiverOf returns a Receiver that has received a snapshot of s.
func receiverOf(t *testing.T, s *state.State) *Receiver {
	t.Helper()
	r := NewReceiver(s.Epoch, nil)
	receiveSnapshot(t, r, s)
	receive(t, r, bookmarkOf(s))
	return r
}

// compact makes the objects that r holds compact, and evicts the decoded ones.
func compact(t *testing.T, r *Receiver) *LazyState {
	t.Helper()
	l, err := r.Compact(codec)
	if err != nil {
		t.Fatal(err)
	}
	if !l.IsCompact() || !l.Decoded() {
		t.Fatalf("after Compact: compact %v, decoded %v; want both", l.IsCompact(), l.Decoded())
	}
	l.Evict()
	if l.Decoded() {
		t.Fatal("the objects are decoded after Evict")
	}
	return l
}

func TestCompactObjectsRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		w := statetest.New(seed, 1+int(seed), 20*int(seed))
		w.Sample(1_790_000_000)
		r := receiverOf(t, w.State)
		held := r.held
		l := compact(t, r)
		if l.Seq != held.Seq || l.Count() != held.Count() || l.ObjectsID() != held.ObjectsID() || !slices.Equal(slices.Collect(l.NodeSlots), slices.Collect(held.NodeSlots)) {
			t.Fatalf("seed %d: seq, count, ID or slots of nodes differ", seed)
		}
		if l.Decoded() {
			t.Fatalf("seed %d: the objects were decoded to count them", seed)
		}
		if !reflect.DeepEqual(entries(stateOf(t, l)), entries(held.state)) {
			t.Fatalf("seed %d: the decoded objects differ", seed)
		}
	}
}

func TestReceiverContinuesWithCompactObjects(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := receiverOf(t, w.State)
	for range 5 {
		l := compact(t, r)
		if again := receiveLazy(t, r, bookmarkOf(w.State)); again.Decoded() || again.ObjectsID() != l.ObjectsID() {
			t.Fatal("a bookmark decoded the compact objects, or changed their ID")
		}
		prev := w.State
		w.Sample(1_790_000_000)
		receive(t, r, NewUsage(w.State.Usage, prev.Usage))
		if again := receiveLazy(t, r, bookmarkOf(w.State)); again.Decoded() || !reflect.DeepEqual(again.Usage, w.State.Usage) || again.Seq != w.State.Seq {
			t.Fatal("a reading of usage decoded the compact objects, or is missing")
		}
		prev = w.State
		w.Step(3)
		receive(t, r, deltaOf(prev, w.State))
		if got := receiveLazy(t, r, bookmarkOf(w.State)); got.IsCompact() || !reflect.DeepEqual(entries(stateOf(t, got)), entries(w.State)) {
			t.Fatal("applying a delta to compact objects gave other objects")
		}
	}
}

func TestDecodedObjectsAreSharedUntilEvict(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := receiverOf(t, w.State)
	l := compact(t, r)
	later := receiveLazy(t, r, bookmarkOf(w.State))
	first := stateOf(t, l)
	if !later.Decoded() {
		t.Error("the objects are not decoded for a LazyState with the same objects")
	}
	if stateOf(t, later).ObjectsID() != first.ObjectsID() {
		t.Error("the objects were decoded twice")
	}
	later.Evict()
	if l.Decoded() || stateOf(t, l).ObjectsID() == first.ObjectsID() {
		t.Error("the objects are still decoded after Evict")
	}
	if again, err := r.Compact(codec); err != nil || again != later {
		t.Errorf("got another State, or error %v; want the compact one", err)
	}
}

func TestDiffOfSameObjectsDecodesNothing(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := receiverOf(t, w.State)
	before := compact(t, r)
	prev := w.State
	w.Sample(1_790_000_000)
	receive(t, r, NewUsage(w.State.Usage, prev.Usage))
	after := receiveLazy(t, r, bookmarkOf(w.State))
	d, err := Diff(before, after)
	if err != nil || before.Decoded() || len(d.Upserts) != 0 || d.Usage == nil || d.From != prev.Seq || d.To != w.State.Seq {
		t.Errorf("got %d upserts, usage %v, %d to %d, decoded %v, error %v; want usage only, %d to %d, not decoded", len(d.Upserts), d.Usage, d.From, d.To, before.Decoded(), err, prev.Seq, w.State.Seq)
	}
	prev = w.State
	w.Step(3)
	d, err = Diff(before, NewLazyState(w.State))
	if want := state.Diff(prev, w.State); err != nil || !reflect.DeepEqual(d.Upserts, want.Upserts) || !reflect.DeepEqual(d.Removes, want.Removes) {
		t.Errorf("got %d upserts and %d removes, error %v; want %d and %d", len(d.Upserts), len(d.Removes), err, len(want.Upserts), len(want.Removes))
	}
}

func TestSnapshotFramesOfCompactObjects(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := receiverOf(t, w.State)
	compact(t, r)
	// Seqs rise without a change of objects.
	later := bookmarkOf(w.State)
	later.Seq += 5
	l := receiveLazy(t, r, later)
	frames, hash, err := codec.SnapshotFrames(l)
	if err != nil || hash != HashState(w.State) || l.Decoded() {
		t.Fatalf("hash %x, %v; want %x without decoding the objects", hash, err, HashState(w.State))
	}
	other := NewReceiver(w.State.Epoch, nil)
	for _, frame := range frames {
		m, err := codec.DecodeAgent(frame)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Receive(m, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := receive(t, other, later); got.Seq != later.Seq || !reflect.DeepEqual(entries(got), entries(w.State)) {
		t.Error("the snapshot has other objects")
	}
}

// TestCorruptObjectsAreAnError corrupts each byte of the frames in turn. Most of them cannot be decoded. Reading must not
// panic, and the Receiver must ask for a resync after an error.
func TestCorruptObjectsAreAnError(t *testing.T) {
	w := statetest.New(1, 1, 3)
	frames, err := codec.EncodeSnapshot(w.State, 1)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range frames[0] {
		r := receiverOf(t, w.State)
		corrupt := [][]byte{slices.Clone(frames[0])}
		corrupt[0][i] ^= 0xff
		l := r.CompactAs(codec, corrupt)
		l.Evict()
		_, err := l.State()
		if err == nil { // a value that neither key nor seq depends on
			continue
		}
		failed++
		if _, again := l.State(); !errors.Is(again, err) || l.Decoded() {
			t.Fatalf("byte %d: got %v at the second read, want %v", i, again, err)
		}
		if _, err := r.Receive(bookmarkOf(w.State), now); !errors.Is(err, ErrResync) {
			t.Fatalf("byte %d: the Receiver returned %v, want a resync", i, err)
		}
	}
	if failed < len(frames[0])/2 {
		t.Errorf("%d of %d corrupted frames were refused, want most", failed, len(frames[0]))
	}
}

func TestCorruptObjectsCanBeReplacedByASnapshot(t *testing.T) {
	w := statetest.New(1, 1, 3)
	r := receiverOf(t, w.State)
	l := r.CompactAs(codec, [][]byte{{1, 2, 3}})
	l.Evict()
	if _, err := l.State(); err == nil {
		t.Fatal("got no error")
	}
	receiveSnapshot(t, r, w.State)
	if got := receive(t, r, bookmarkOf(w.State)); !reflect.DeepEqual(entries(got), entries(w.State)) {
		t.Error("the snapshot has other objects")
	}
}

func BenchmarkCompact300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReceiver(w.State.Epoch, NewLazyState(w.State))
		l, err := r.Compact(codec)
		if err != nil || l.Count() == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetch300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	r := NewReceiver(w.State.Epoch, NewLazyState(w.State))
	l, err := r.Compact(codec)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l.Evict()
		if _, err := l.State(); err != nil {
			b.Fatal(err)
		}
	}
}
