package state_test

import (
	"reflect"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
)

// compacted counts how often it was fetched.
type compacted struct {
	kept  *state.State
	times *int
}

func (s compacted) Decode() *state.State {
	*s.times++
	return s.kept
}

// compact returns s with its objects compacted, and a counter of how often they are fetched.
func compact(s *state.State) (*state.State, *int) {
	times := new(int)
	return s.Compact(compacted{s, times}).WithoutObjects(), times
}

func TestCompactedStateSaysTheSame(t *testing.T) {
	w := statetest.New(1, 5, 50)
	w.Sample(1_790_000_000)
	away, times := compact(w.State)
	if away.Count() != w.State.Count() || away.Len(state.KindPod) != 50 || *times != 0 {
		t.Errorf("%d objects, %d pods after %d fetches; want %d, 50 and none", away.Count(), away.Len(state.KindPod), *times, w.State.Count())
	}
	now := time.Unix(1_790_000_100, 0)
	if !reflect.DeepEqual(state.Summarize(away, now), state.Summarize(w.State, now)) {
		t.Error("the summary is another")
	}
	if d := state.Diff(w.State, away); len(d.Upserts)+len(d.Removes) != 0 {
		t.Errorf("it differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
	}
	if *times != 1 {
		t.Errorf("fetched %d times, want once for all", *times)
	}
	key := state.Key{Kind: state.KindNode, Name: "node-0003"}
	got, _ := away.Get(key)
	if want, _ := w.State.Get(key); got != want {
		t.Errorf("%+v is %+v, want %+v", key, got, want)
	}
}

func TestUsageAndSectionsMoveWithoutALookAtCompactedObjects(t *testing.T) {
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
		t.Error("the objects are not known to be the same")
	}
	if d := state.Diff(before, next); len(d.Upserts) != 0 || d.Usage == nil {
		t.Errorf("they differ by %d upserts, and usage %v", len(d.Upserts), d.Usage)
	}
	if got, want := state.Resummarize(sum, before, next, now), state.Summarize(w.State, now); !reflect.DeepEqual(got, want) {
		t.Errorf("summary\n%+v, want\n%+v", got, want)
	}
	if *times != 0 {
		t.Errorf("fetched %d times", *times)
	}
}

func TestSummaryIsMadeAnewWhenObjectsChangedOrItIsRipe(t *testing.T) {
	w := statetest.New(3, 5, 50)
	now := time.Unix(1_790_000_100, 0)
	before, sum := w.State, state.Summarize(w.State, now)
	w.Step(3)
	if got, want := state.Resummarize(sum, before, w.State, now), state.Summarize(w.State, now); !reflect.DeepEqual(got, want) {
		t.Errorf("after a change: summary\n%+v, want\n%+v", got, want)
	}
	stale := state.Summary{NextEvaluation: now}
	if got := state.Resummarize(stale, before, before, now); !reflect.DeepEqual(got, sum) {
		t.Errorf("when ripe: summary\n%+v, want\n%+v", got, sum)
	}
}

func TestDeltaAppliesToCompactedObjects(t *testing.T) {
	w := statetest.New(4, 5, 50)
	away, _ := compact(w.State)
	prev := w.State
	w.Step(3)
	next, err := state.Apply(away, state.Diff(prev, w.State))
	if err != nil {
		t.Fatal(err)
	}
	if d := state.Diff(next, w.State); len(d.Upserts)+len(d.Removes) != 0 {
		t.Errorf("it differs by %d upserts and %d removes", len(d.Upserts), len(d.Removes))
	}
	if next.WithoutObjects() != next || next.SameObjects(away) {
		t.Error("changed objects count as those that were compacted")
	}
}

func TestRestowLetsGoOfWhatWasFetched(t *testing.T) {
	w := statetest.New(5, 3, 10)
	away, times := compact(w.State)
	for range w.State.Compact(compacted{w.State, times}).Pods() {
	}
	if *times != 0 {
		t.Error("what was just compacted is fetched")
	}
	if away.WithoutObjects() != away {
		t.Error("one of which nothing was fetched is made anew")
	}
	for range away.Pods() {
	}
	again := away.WithoutObjects()
	if again == away || !again.SameObjects(away) {
		t.Error("want another State with the same objects")
	}
	for range again.Pods() {
	}
	if *times != 2 {
		t.Errorf("fetched %d times, want once for each", *times)
	}
}
