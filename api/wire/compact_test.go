package wire

import (
	"reflect"
	"testing"

	"rollcall.dev/rollcall/api/state/statetest"
)

func TestCompactedObjectsComeBackAsTheyWere(t *testing.T) {
	for seed := range uint64(20) {
		w := statetest.New(seed, 1+int(seed), 20*int(seed))
		w.Sample(1_790_000_000)
		r := NewReceiver(w.State.Epoch, nil)
		takeSnapshot(t, r, w.State)
		held := take(t, r, bookmarkOf(w.State))
		away, err := r.Compact(codec)
		if err != nil {
			t.Fatal(err)
		}
		away.EvictObjects()
		if away.Seq != held.Seq || !away.SameObjects(held) || !reflect.DeepEqual(entries(away), entries(held)) {
			t.Fatalf("seed %d: the objects are others", seed)
		}
	}
}

func TestReceiverGoesOnWithCompactedObjects(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	takeSnapshot(t, r, w.State)
	take(t, r, bookmarkOf(w.State))
	for range 5 {
		away, err := r.Compact(codec)
		if err != nil {
			t.Fatal(err)
		}
		away.EvictObjects()
		if again := take(t, r, bookmarkOf(w.State)); !again.ObjectsEvicted() || !again.SameObjects(away) {
			t.Fatal("a bookmark alone fetched what was compacted")
		}
		prev := w.State
		w.Step(3)
		take(t, r, deltaOf(prev, w.State))
		if got := take(t, r, bookmarkOf(w.State)); !reflect.DeepEqual(entries(got), entries(w.State)) {
			t.Fatal("a delta on compacted objects leads elsewhere")
		}
	}
}

func TestWhatWasFetchedRestsAgain(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	takeSnapshot(t, r, w.State)
	take(t, r, bookmarkOf(w.State))
	away, err := r.Compact(codec)
	if err != nil {
		t.Fatal(err)
	}
	if away.ObjectsEvicted() {
		t.Error("it rests although the objects were just made")
	}
	want := entries(away)
	away.EvictObjects()
	if !away.ObjectsEvicted() {
		t.Error("it does not rest")
	}
	if !reflect.DeepEqual(entries(away), want) || away.ObjectsEvicted() {
		t.Error("the objects are others, or not kept")
	}
	if again, err := r.Compact(codec); err != nil || again != away {
		t.Errorf("%v; want what is compacted already", err)
	}
}

func TestSnapshotOfCompactedObjectsIsTheirs(t *testing.T) {
	w := statetest.New(1, 5, 100)
	r := NewReceiver(w.State.Epoch, nil)
	takeSnapshot(t, r, w.State)
	take(t, r, bookmarkOf(w.State))
	compacted, err := r.Compact(codec)
	if err != nil {
		t.Fatal(err)
	}
	compacted.EvictObjects()
	// What is no object moves on.
	later := bookmarkOf(w.State)
	later.Seq += 5
	away := take(t, r, later)
	frames, hash, err := codec.SnapshotOf(away)
	if err != nil || hash != HashState(w.State) || !away.ObjectsEvicted() {
		t.Fatalf("hash %x, %v; want %x, without a look at the objects", hash, err, HashState(w.State))
	}
	other := NewReceiver(w.State.Epoch, nil)
	for _, frame := range frames {
		m, err := codec.DecodeAgent(frame)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Take(m, now); err != nil {
			t.Fatal(err)
		}
	}
	if got := take(t, other, later); got.Seq != later.Seq || !reflect.DeepEqual(entries(got), entries(w.State)) {
		t.Error("the snapshot gives something else")
	}
}

func BenchmarkCompact300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	b.ReportAllocs()
	for b.Loop() {
		r := NewReceiver(w.State.Epoch, w.State)
		away, err := r.Compact(codec)
		if err != nil || away.Count() == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetch300Containers(b *testing.B) {
	w := statetest.New(1, 5, 150)
	r := NewReceiver(w.State.Epoch, w.State)
	away, err := r.Compact(codec)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		away.EvictObjects()
		for range away.Pods() {
		}
	}
}
