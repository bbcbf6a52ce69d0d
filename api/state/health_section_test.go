package state_test

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// unread returns an otherwise well cluster of which sections cannot be read.
func unread(t *testing.T, errors map[state.SectionName]state.Section) *state.State {
	t.Helper()
	s := *cluster(t, pod("web-1"))
	for name, section := range errors {
		s.Sections[name] = section
	}
	return &s
}

func TestAClusterThatCannotBeReadIsNotHealthy(t *testing.T) {
	const critical, warning, info = state.SeverityCritical, state.SeverityWarning, state.SeverityInfo
	broken := func(since time.Duration) state.Section {
		return state.Section{ObservedAt: now.Add(-since), Error: state.SectionError{Reason: "Disconnected", Message: "the API server cannot be watched for pods: EOF"}}
	}
	forbidden := state.Section{Error: state.SectionError{Reason: "Forbidden", Message: "the agent may not read persistentvolumes"}}
	pending := state.Section{Error: state.SectionError{Reason: "Pending", Message: "waiting for the first list of services"}}
	for name, c := range map[string]struct {
		errors  map[state.SectionName]state.Section
		healthy bool
		want    []row
	}{
		"all can be read":           {nil, true, nil},
		"pods, for a minute":        {map[state.SectionName]state.Section{state.SectionPods: broken(time.Minute)}, true, []row{{critical, "Cluster", "Unreadable", "pods", 1}}},
		"pods, for longer":          {map[state.SectionName]state.Section{state.SectionPods: broken(time.Minute + time.Second)}, false, []row{{critical, "Cluster", "Unreadable", "pods", 1}}},
		"nodes, for longer":         {map[state.SectionName]state.Section{state.SectionNodes: broken(time.Hour)}, false, []row{{critical, "Cluster", "Unreadable", "nodes", 1}}},
		"storage, never":            {map[state.SectionName]state.Section{state.SectionStorage: forbidden}, true, []row{{warning, "Cluster", "Unreadable", "storage", 1}}},
		"Services, not yet":         {map[state.SectionName]state.Section{state.SectionNetwork: pending}, true, []row{{info, "Cluster", "Unreadable", "network", 1}}},
		"usage, which is no health": {map[state.SectionName]state.Section{state.SectionUsage: forbidden}, true, nil},
	} {
		t.Run(name, func(t *testing.T) { check(t, unread(t, c.errors), c.healthy, c.want...) })
	}
	got := state.Summarize(unread(t, map[state.SectionName]state.Section{state.SectionPods: broken(time.Hour), state.SectionStorage: forbidden}), now)
	if m := got.Problems[0].Message; m != "what is known of it may be old: Disconnected: the API server cannot be watched for pods: EOF" || got.Problems[0].Since != ago(time.Hour) {
		t.Errorf("pods: %+v", got.Problems[0])
	}
	if m := got.Problems[1].Message; m != "nothing is known of it: Forbidden: the agent may not read persistentvolumes" || got.Problems[1].Since != 0 {
		t.Errorf("storage: %+v", got.Problems[1])
	}
}

func TestHealthIsEvaluatedAnewWhenASectionBreaks(t *testing.T) {
	well := cluster(t, pod("web-1"))
	sum := state.Summarize(well, now)
	torn := *well
	torn.Sections[state.SectionPods] = state.Section{ObservedAt: now, Error: state.SectionError{Reason: "Disconnected"}}
	broken := state.Resummarize(sum, well, &torn, now)
	if len(broken.Problems) != 1 || !broken.Healthy {
		t.Fatalf("healthy %v, problems %+v, want one that is young", broken.Healthy, broken.Problems)
	}
	if late := state.Resummarize(broken, &torn, &torn, now.Add(time.Minute+time.Second)); late.Healthy {
		t.Error("it is healthy after a minute in which nobody could read the pods")
	}
	if again := state.Resummarize(broken, &torn, well, now); len(again.Problems) != 0 {
		t.Errorf("it can be read again: %+v", again.Problems)
	}
}
