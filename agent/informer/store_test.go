package informer

import (
	"fmt"
	"testing"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// podStore is a store of pods, what it is told, and what that leads to.
func podStore() (*store[podObject, facts.PodInput], *recorder) {
	seen := newRecorder()
	return &store[podObject, facts.PodInput]{
		spec: kindSpec[podObject, facts.PodInput]{
			input: podConverter{newInterner()}.input, set: (*facts.Tracker).SetPod,
			remove: (*facts.Tracker).DeletePod, retain: (*facts.Tracker).RetainPods,
		},
		sink: seen.sink(), health: &watchHealth{enqueue: func(event func()) { event() }},
	}, seen
}

// streamed gives a list as a reflector does, but for its end.
func streamed(t *testing.T, s *store[podObject, facts.PodInput], pods ...*podObject) []any {
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
		pods[i] = slim(testPod(fmt.Sprint("web-", i), "n1"), &podObject{})
	}
	return pods
}

func TestListIsTakenInWhileItIsBeingRead(t *testing.T) {
	s, seen := podStore()
	names := streamed(t, s, manyPods(batchSize+10)...)
	if got := seen.count(state.KindPod); got != batchSize {
		t.Errorf("%d pods are known before the end of the list, want %d", got, batchSize)
	}
	if err := s.Replace(names, "1"); err != nil {
		t.Fatal(err)
	}
	if got := seen.count(state.KindPod); got != batchSize+10 {
		t.Errorf("%d pods are known at the end of the list, want %d", got, batchSize+10)
	}
	if err := s.Replace(streamed(t, s, manyPods(3)...), "2"); err != nil {
		t.Fatal(err)
	}
	if got := seen.count(state.KindPod); got != 3 {
		t.Errorf("%d pods are known after a list of 3", got)
	}
}

func TestObjectThatChangesWhileItsListIsReadIsTakenAsItBecame(t *testing.T) {
	s, seen := podStore()
	evicted := testPod("web-0", "n1")
	evicted.Status.Reason = "Evicted"
	pods := append(manyPods(2), slim(evicted, &podObject{}))
	if err := s.Replace(streamed(t, s, pods...)[:2], "1"); err != nil {
		t.Fatal(err)
	}
	if got := seen.pod("default", "web-0"); got == nil || got.Reason != "Evicted" {
		t.Errorf("pod web-0 is %+v, want it Evicted", got)
	}
}

func TestListThatIsBrokenOffIsForgottenByTheNext(t *testing.T) {
	s, seen := podStore()
	streamed(t, s, manyPods(5)...)
	if err := s.Replace(streamed(t, s, manyPods(2)...), "1"); err != nil {
		t.Fatal(err)
	}
	if got := seen.count(state.KindPod); got != 2 {
		t.Errorf("%d pods are known, want the 2 of the whole list", got)
	}
}
