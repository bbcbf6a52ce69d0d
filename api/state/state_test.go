package state_test

import (
	"reflect"
	"slices"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// content returns the content of a State for comparison, independent of chunks.
func content(s *state.State) any {
	entries := make([][]state.Entry, state.NumKinds)
	for kind := range state.NumKinds {
		entries[kind] = slices.Collect(s.Entries(kind))
	}
	return []any{s.Epoch, s.Seq, s.Usage, s.Sections, entries}
}

func wantSame(t *testing.T, got, want *state.State) {
	t.Helper()
	if !reflect.DeepEqual(content(got), content(want)) {
		t.Fatalf("states differ: got %d objects at seq %d, want %d at %d", got.Count(), got.Seq, want.Count(), want.Seq)
	}
}

func FuzzApplyOfDiffLeadsToNext(f *testing.F) {
	f.Add(uint64(1), uint8(3), uint16(40), uint8(5))
	f.Add(uint64(2), uint8(1), uint16(0), uint8(1))
	f.Add(uint64(3), uint8(20), uint16(2000), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, nodes uint8, pods uint16, changes uint8) {
		w := statetest.New(seed, int(nodes)+1, int(pods)%3000)
		prev := w.State
		before := content(prev)
		w.Step(int(changes))
		w.Sample(1_800_000_000)
		got, err := state.Apply(prev, state.Diff(prev, w.State))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, w.State)
		if !reflect.DeepEqual(content(prev), before) {
			t.Fatal("the state that the delta was applied to was mutated")
		}
	})
}

func TestTableIsSortedAndComplete(t *testing.T) {
	w := statetest.New(7, 30, 3000)
	for range 50 {
		w.Step(40)
	}
	for kind := range state.NumKinds {
		n := 0
		var last state.Key
		for e := range w.State.Entries(kind) {
			k := e.Object.Key()
			if n > 0 && last.Compare(k) >= 0 {
				t.Fatalf("%v is not behind %v", k, last)
			}
			if found, ok := w.State.Get(k); !ok || found != e {
				t.Fatalf("Get(%v) = %v, %v", k, found, ok)
			}
			last, n = k, n+1
		}
		if n != w.State.Len(kind) {
			t.Errorf("%s: %d entries, Len says %d", kind, n, w.State.Len(kind))
		}
	}
}

func TestChangedSince(t *testing.T) {
	w := statetest.New(8, 10, 1000)
	base := w.State.Seq
	w.Step(30)
	want := map[state.Key]bool{}
	for kind := range state.NumKinds {
		for e := range w.State.Entries(kind) {
			if e.Seq > base {
				want[e.Object.Key()] = true
			}
		}
	}
	got := map[state.Key]bool{}
	for e := range w.State.ChangedSince(base) {
		got[e.Object.Key()] = true
	}
	if len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %d keys, want %d", len(got), len(want))
	}
}

func TestApplyRejectsInvalidDeltas(t *testing.T) {
	prev := statetest.New(1, 2, 10).State
	node := slices.Collect(prev.Entries(state.KindNode))[0]
	for name, d := range map[string]state.Delta{
		"another epoch":   {Epoch: prev.Epoch + 1, From: prev.Seq, To: prev.Seq + 1},
		"a gap":           {Epoch: prev.Epoch, From: prev.Seq + 1, To: prev.Seq + 2},
		"an old seq":      {Epoch: prev.Epoch, From: prev.Seq - 1, To: prev.Seq},
		"backwards":       {Epoch: prev.Epoch, From: prev.Seq, To: prev.Seq - 1},
		"a key twice":     {Epoch: prev.Epoch, From: prev.Seq, To: prev.Seq + 1, Upserts: []state.Entry{node, node}},
		"put and removed": {Epoch: prev.Epoch, From: prev.Seq, To: prev.Seq + 1, Upserts: []state.Entry{node}, Removes: []state.Key{node.Object.Key()}},
	} {
		if next, err := state.Apply(prev, d); err == nil {
			t.Errorf("%s: got %v and no error", name, next.Seq)
		}
	}
}

func TestEachChangeAcrossEpochs(t *testing.T) {
	one, other := statetest.New(5, 4, 100), statetest.New(5, 4, 100)
	other.State.Epoch++
	state.EachChange(one.State, other.State, func(before, after state.Object) {
		t.Errorf("%v became %v although nothing differs", before, after)
	})
	removed := other.Step(1)
	n := 0
	state.EachChange(one.State, other.State, func(before, after state.Object) {
		n++
		if after == nil && !slices.Contains(removed, before.Key()) {
			t.Errorf("%v was not removed", before.Key())
		}
	})
	if n == 0 {
		t.Error("got no changes")
	}
}

func TestPodAndServicePortKeysDiffer(t *testing.T) {
	row := state.Port{Node: "*", Protocol: state.TCP, Port: 80, Kind: state.NodePort, Namespace: "a"}
	pod, service := row, row
	pod.Pod, service.Service = "x", "x"
	if pod.Key() == service.Key() {
		t.Errorf("both have the key %v", pod.Key())
	}
}

func BenchmarkApplyOneChange(b *testing.B) {
	w := statetest.New(1, 100, 20_000)
	e, _ := w.State.Get(slices.Collect(w.State.Entries(state.KindPod))[9000].Object.Key())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := state.Apply(w.State, state.Delta{Epoch: 1, From: w.State.Seq, To: w.State.Seq + 1, Upserts: []state.Entry{e}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChangedSince(b *testing.B) {
	w := statetest.New(1, 100, 20_000)
	base := w.State.Seq
	w.Step(3)
	for b.Loop() {
		for range w.State.ChangedSince(base) {
		}
	}
}
