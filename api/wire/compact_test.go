package wire

import (
	"reflect"
	"testing"

	"rollcall.dev/rollcall/api/state/statetest"
)

func TestCompactedObjectsRoundTrip(t *testing.T) {
	for seed := range uint64(20) {
		w := statetest.New(seed, 1+int(seed), 20*int(seed))
		w.Sample(1_790_000_000)
		r := NewReceiver(w.State.Epoch, nil)
		receiveSnapshot(t, r, w.State)
		held := receive(t, r, bookmarkOf(w.State))
		compactedState, err := r.Compact(codec)
		if err != nil {
			t.Fatal(err)
		}
		compactedState.EvictObjects()
		if compactedState.Seq != held.Seq || !compactedState.SameObjects(held) || !reflect.DeepEqual(entries(compactedState), entries(held)) {
			t.Fatalf("seed %d: the objects are others", seed)
		}
	}
}

func TestReceiverContinuesWithCompactedObjects(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	receiveSnapshot(t, r, w.State)
	receive(t, r, bookmarkOf(w.State))
	for range 5 {
		compactedState, err := r.Compact(codec)
		if err != nil {
			t.Fatal(err)
		}
		compactedState.EvictObjects()
		if again := receive(t, r, bookmarkOf(w.State)); !again.ObjectsEvicted() || !again.SameObjects(compactedState) {
			t.Fatal("a bookmark alone fetched what was compacted")
		}
		prev := w.State
		w.Step(3)
		receive(t, r, deltaOf(prev, w.State))
		if got := receive(t, r, bookmarkOf(w.State)); !reflect.DeepEqual(entries(got), entries(w.State)) {
			t.Fatal("a delta on compacted objects leads elsewhere")
		}
	}
}

func TestDecodedObjectsCanBeEvictedAgain(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	receiveSnapshot(t, r, w.State)
	receive(t, r, bookmarkOf(w.State))
	compactedState, err := r.Compact(codec)
	if err != nil {
		t.Fatal(err)
	}
	if compactedState.ObjectsEvicted() {
		t.Error("it rests although the objects were just made")
	}
	want := entries(compactedState)
	compactedState.EvictObjects()
	if !compactedState.ObjectsEvicted() {
		t.Error("it does not rest")
	}
	if !reflect.DeepEqual(entries(compactedState), want) || compactedState.ObjectsEvicted() {
		t.Error("the objects are others, or not kept")
	}
	if again, err := r.Compact(codec); err != nil || again != compactedState {
		t.Errorf("%v; want what is compacted already", err)
	}
}

func TestSnapshotFramesOfCompactedState(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	receiveSnapshot(t, r, w.State)
	receive(t, r, bookmarkOf(w.State))
	compacted, err := r.Compact(codec)
	if err != nil {
		t.Fatal(err)
	}
	compacted.EvictObjects()
	// What is no object moves on.
	later := bookmarkOf(w.State)
	later.Seq += 5
	compactedState := receive(t, r, later)
	frames, hash, err := codec.SnapshotFrames(compactedState)
	if err != nil || hash != HashState(w.State) || !compactedState.ObjectsEvicted() {
		t.Fatalf("hash %x, %v; want %x, without a look at the objects", hash, err, HashState(w.State))
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
		t.Error("the snapshot gives something else")
	}
}

func BenchmarkCompact300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReceiver(w.State.Epoch, w.State)
		compactedState, err := r.Compact(codec)
		if err != nil || compactedState.Count() == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetch300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	r := NewReceiver(w.State.Epoch, w.State)
	compactedState, err := r.Compact(codec)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		compactedState.EvictObjects()
		for range compactedState.Pods() {
		}
	}
}
