package informer

import (
	"fmt"
	"testing"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// newPodStore returns a store of pods and the recorder of its changes.
func newPodStore() (*store[podObject, facts.PodInput], *recorder) {
	rec := newRecorder()
	return &store[podObject, facts.PodInput]{
		spec: kindSpec[podObject, facts.PodInput]{
			input: podConverter{newInterner()}.input, set: (*facts.Tracker).SetPod,
			remove: (*facts.Tracker).DeletePod, retain: (*facts.Tracker).RetainPods,
		},
		handler: rec.handler(), health: &watchHealth{enqueue: func(event func()) { event() }},
	}, rec
}

// streamList passes pods to the store like a streamed list without its end, and returns the names for Replace.
func streamList(t *testing.T, s *store[podObject, facts.PodInput], pods ...*podObject) []any {
	t.Helper()
	var names []any
	for _, pod := range pods {
		name, err := s.Transformer()(pod)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func manyPods(n int) []*podObject {
	pods := make([]*podObject, n)
	for i := range pods {
		pods[i] = convert(testPod(fmt.Sprint("web-", i), "n1"), &podObject{})
	}
	return pods
}

func TestListIsAppliedInBatches(t *testing.T) {
	s, rec := newPodStore()
	names := streamList(t, s, manyPods(batchSize+10)...)
	if got := rec.count(state.KindPod); got != batchSize {
		t.Errorf("before the end of the list: got %d pods, want %d", got, batchSize)
	}
	if err := s.Replace(names, "1"); err != nil {
		t.Fatal(err)
	}
	if got := rec.count(state.KindPod); got != batchSize+10 {
		t.Errorf("at the end of the list: got %d pods, want %d", got, batchSize+10)
	}
	if err := s.Replace(streamList(t, s, manyPods(3)...), "2"); err != nil {
		t.Fatal(err)
	}
	if got := rec.count(state.KindPod); got != 3 {
		t.Errorf("after another list: got %d pods, want 3", got)
	}
}

func TestObjectChangedDuringListIsAppliedOnce(t *testing.T) {
	s, rec := newPodStore()
	evicted := testPod("web-0", "n1")
	evicted.Status.Reason = "Evicted"
	pods := append(manyPods(2), convert(evicted, &podObject{}))
	if err := s.Replace(streamList(t, s, pods...)[:2], "1"); err != nil {
		t.Fatal(err)
	}
	if got := rec.pod("default", "web-0"); got == nil || got.Reason != "Evicted" {
		t.Errorf("got pod web-0 %+v, want reason Evicted", got)
	}
}

func TestInterruptedListIsDroppedByNextList(t *testing.T) {
	s, rec := newPodStore()
	streamList(t, s, manyPods(5)...)
	if err := s.Replace(streamList(t, s, manyPods(2)...), "1"); err != nil {
		t.Fatal(err)
	}
	if got := rec.count(state.KindPod); got != 2 {
		t.Errorf("got %d pods, want the 2 of the complete list", got)
	}
}
