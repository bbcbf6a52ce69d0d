package wire

import (
	"math"
	"reflect"
	"testing"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/state/statetest"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

func TestUnchangedSummaryPartsAreOmitted(t *testing.T) {
	whole := &Summary{Summary: state.Summarize(statetest.New(2, 20, 500).State, now), Ages: never()}
	whole.Summary.Capacity.Extended = map[string]int64{"nvidia.com/gpu": 4}
	left := *whole
	left.Identity, left.SameProblems, left.SameResources = &Identity{ClusterName: "c"}, true, true
	back := roundTrip(t, &left).(*Summary)
	got := back.Summary
	if back.Identity != nil || !back.SameProblems || !back.SameResources || len(got.Problems) > 0 || got.ProblemCount != whole.Summary.ProblemCount ||
		!reflect.DeepEqual(got.Capacity, state.Resources{}) || got.Fragmentation != (state.FreeResources{}) || got.Nodes != whole.Summary.Nodes {
		t.Errorf("got %+v", back)
	}
}

func TestHashResourcesDistinguishesValues(t *testing.T) {
	seen := map[uint64]int{}
	identities := map[int]Identity{1: {AgentVersion: "a"}, 2: {ClusterName: "a"}, 3: {ClusterUID: "a"}, 4: {KubernetesVersion: "a"}}
	for i, change := range []func(s *state.Summary){
		func(*state.Summary) {}, func(*state.Summary) {}, func(*state.Summary) {}, func(*state.Summary) {},
		func(*state.Summary) {},
		func(s *state.Summary) { s.Capacity.CPUMillis = 1 },
		func(s *state.Summary) { s.Allocatable.CPUMillis = 1 },
		func(s *state.Summary) { s.Capacity.MemoryBytes = 1 },
		func(s *state.Summary) { s.Capacity.Pods = 1 },
		func(s *state.Summary) { s.Limits.EphemeralStorageBytes = 1 },
		func(s *state.Summary) { s.Requested.Extended = map[string]int64{"a": 1} },
		func(s *state.Summary) { s.Requested.Extended = map[string]int64{"a": 2} },
		func(s *state.Summary) { s.Requested.Extended = map[string]int64{"a": 1, "b": 0} },
		func(s *state.Summary) { s.Fragmentation.CPUMillis = 1 },
		func(s *state.Summary) { s.Fragmentation.MemoryBytes = 1 },
	} {
		var s state.Summary
		change(&s)
		identity := identities[i]
		h := HashResources(&identity, &s)
		if before, known := seen[h]; known {
			t.Errorf("%d and %d have one hash", before, i)
		}
		seen[h] = i
	}
	none, empty := state.Summary{}, state.Summary{Capacity: state.Resources{Extended: map[string]int64{}}}
	if HashResources(&Identity{}, &none) != HashResources(&Identity{}, &empty) {
		t.Error("no map and an empty one differ: a decoded summary has the former")
	}
}

func TestSummaryCountsAreClamped(t *testing.T) {
	m, err := summaryFromPB(&wirepb.Summary{Nodes: &wirepb.NodeCounts{Total: 1 << 63, Ready: math.MaxUint64}, Pods: &wirepb.PodCounts{Failed: math.MaxUint64}, PortConflicts: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]int{"nodes": m.Summary.Nodes.Total, "ready": m.Summary.Nodes.Ready, "failed": m.Summary.Pods.Failed, "conflicts": m.Summary.Ports.Conflicts} {
		if got != math.MaxInt32 {
			t.Errorf("%s: %d, want %d", name, got, math.MaxInt32)
		}
	}
}
