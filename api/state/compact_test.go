package state_test

import (
	"reflect"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// countingForm is a compact form that counts the calls of Decode.
type countingForm struct {
	state   *state.State
	decoded *int
}

func (f countingForm) Decode() *state.State {
	*f.decoded++
	return f.state
}

// compact returns s with its objects compacted, and a counter of the calls of Decode.
func compact(s *state.State) (*state.State, *int) {
	times := new(int)
	return s.Compact(countingForm{s, times}).WithoutObjects(), times
}

func TestCompactedStateIsEqual(t *testing.T) {
	w := statetest.New(1, 5, 50)
	w.Sample(1_790_000_000)
	compacted, times := compact(w.State)
	if compacted.Count() != w.State.Count() || compacted.Len(state.KindPod) != 50 || *times != 0 {
		t.Errorf("%d objects, %d pods after decoding %d times; want %d, 50 and 0", compacted.Count(), compacted.Len(state.KindPod), *times, w.State.Count())
	}
	now := time.Unix(1_790_000_100, 0)
	if !reflect.DeepEqual(state.Summarize(compacted, now), state.Summarize(w.State, now)) {
		t.Error("the summaries differ")
	}
	if d := state.Diff(w.State, compacted); len(d.Upserts)+len(d.Removes) != 0 {
		t.Errorf("it differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
	}
	if *times != 1 {
		t.Errorf("decoded %d times, want once", *times)
	}
	key := state.Key{Kind: state.KindNode, Name: "node-0003"}
	got, _ := compacted.Get(key)
	if want, _ := w.State.Get(key); got != want {
		t.Errorf("%+v is %+v, want %+v", key, got, want)
	}
}

func TestUsageAndSectionsUpdateWithoutDecodingObjects(t *testing.T) {
	w := statetest.New(2, 5, 50)
	w.Sample(1_790_000_000)
	now := time.Unix(1_790_000_100, 0)
	before, times := compact(w.State)
	sum := state.Summarize(w.State, now)
	w.Sample(1_790_000_015)
	next, err := state.Apply(before, state.Delta{Epoch: before.Epoch, From: before.Seq, To: w.State.Seq, Usage: w.State.Usage, Sections: &w.State.Sections})
	if err != nil {
		t.Fatal(err)
	}
	if !next.SameObjects(before) || !next.SameObjects(w.State) {
		t.Error("SameObjects is false, want true")
	}
	if d := state.Diff(before, next); len(d.Upserts) != 0 || d.Usage == nil {
		t.Errorf("they differ by %d upserts, and usage %v", len(d.Upserts), d.Usage)
	}
	if got, want := state.Resummarize(sum, before, next, now), state.Summarize(w.State, now); !reflect.DeepEqual(got, want) {
		t.Errorf("summary\n%+v, want\n%+v", got, want)
	}
	if *times != 0 {
		t.Errorf("decoded %d times, want 0", *times)
	}
}

func TestResummarizeAfterChangeOrWhenDue(t *testing.T) {
	w := statetest.New(3, 5, 50)
	now := time.Unix(1_790_000_100, 0)
	before, sum := w.State, state.Summarize(w.State, now)
	w.Step(3)
	if got, want := state.Resummarize(sum, before, w.State, now), state.Summarize(w.State, now); !reflect.DeepEqual(got, want) {
		t.Errorf("after a change: summary\n%+v, want\n%+v", got, want)
	}
	stale := state.Summary{NextEvaluation: now}
	if got := state.Resummarize(stale, before, before, now); !reflect.DeepEqual(got, sum) {
		t.Errorf("when due: summary\n%+v, want\n%+v", got, sum)
	}
}

func TestDeltaAppliesToCompactedObjects(t *testing.T) {
	w := statetest.New(4, 5, 50)
	compacted, _ := compact(w.State)
	prev := w.State
	w.Step(3)
	next, err := state.Apply(compacted, state.Diff(prev, w.State))
	if err != nil {
		t.Fatal(err)
	}
	if d := state.Diff(next, w.State); len(d.Upserts)+len(d.Removes) != 0 {
		t.Errorf("it differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
	}
	if next.WithoutObjects() != next || next.SameObjects(compacted) {
		t.Error("changed objects are treated as compacted")
	}
}

func TestWithoutObjectsEvictsDecodedObjects(t *testing.T) {
	w := statetest.New(5, 3, 10)
	compacted, times := compact(w.State)
	for range w.State.Compact(countingForm{w.State, times}).Pods() {
	}
	if *times != 0 {
		t.Error("the objects were decoded, want the existing ones")
	}
	if compacted.WithoutObjects() != compacted {
		t.Error("WithoutObjects of a State without decoded objects returned another State")
	}
	for range compacted.Pods() {
	}
	again := compacted.WithoutObjects()
	if again == compacted || !again.SameObjects(compacted) {
		t.Error("want another State with the same objects")
	}
	for range again.Pods() {
	}
	if *times != 2 {
		t.Errorf("decoded %d times, want 2", *times)
	}
}
