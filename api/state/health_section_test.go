package state_test

import (
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
)

// clusterWithSectionErrors returns an otherwise healthy cluster with errors in some sections.
func clusterWithSectionErrors(t *testing.T, errors map[state.SectionName]state.Section) *state.State {
	t.Helper()
	s := *cluster(t, pod("web-1"))
	for name, section := range errors {
		s.Sections[name] = section
	}
	return &s
}

func TestUnreadableSectionIsUnhealthy(t *testing.T) {
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
		"all can be read":                     {nil, true, nil},
		"pods, for a minute":                  {map[state.SectionName]state.Section{state.SectionPods: broken(time.Minute)}, true, []row{{critical, "Cluster", "Unreadable", "pods", 1}}},
		"pods, for longer":                    {map[state.SectionName]state.Section{state.SectionPods: broken(time.Minute + time.Second)}, false, []row{{critical, "Cluster", "Unreadable", "pods", 1}}},
		"nodes, for longer":                   {map[state.SectionName]state.Section{state.SectionNodes: broken(time.Hour)}, false, []row{{critical, "Cluster", "Unreadable", "nodes", 1}}},
		"storage, never":                      {map[state.SectionName]state.Section{state.SectionStorage: forbidden}, true, []row{{warning, "Cluster", "Unreadable", "storage", 1}}},
		"Services, not yet":                   {map[state.SectionName]state.Section{state.SectionNetwork: pending}, true, []row{{info, "Cluster", "Unreadable", "network", 1}}},
		"usage, which does not affect health": {map[state.SectionName]state.Section{state.SectionUsage: forbidden}, true, nil},
	} {
		t.Run(name, func(t *testing.T) { check(t, clusterWithSectionErrors(t, c.errors), c.healthy, c.want...) })
	}
	got := state.Summarize(clusterWithSectionErrors(t, map[state.SectionName]state.Section{state.SectionPods: broken(time.Hour), state.SectionStorage: forbidden}), now)
	if m := got.Problems[0].Message; m != "data may be outdated: Disconnected: the API server cannot be watched for pods: EOF" || got.Problems[0].Since != ago(time.Hour) {
		t.Errorf("pods: %+v", got.Problems[0])
	}
	if m := got.Problems[1].Message; m != "no data: Forbidden: the agent may not read persistentvolumes" || got.Problems[1].Since != 0 {
		t.Errorf("storage: %+v", got.Problems[1])
	}
}

func TestSectionErrorChangesHealth(t *testing.T) {
	well := cluster(t, pod("web-1"))
	sum := state.Summarize(well, now)
	torn := *well
	torn.Sections[state.SectionPods] = state.Section{ObservedAt: now, Error: state.SectionError{Reason: "Disconnected"}}
	broken := resummarize(sum, well, &torn, now)
	if len(broken.Problems) != 1 || !broken.Healthy {
		t.Fatalf("healthy %v, problems %+v, want one that is within its threshold", broken.Healthy, broken.Problems)
	}
	if deadline := resummarize(broken, &torn, &torn, now.Add(time.Minute+time.Second)); deadline.Healthy {
		t.Error("healthy although the pods could not be read for a minute")
	}
	if again := resummarize(broken, &torn, well, now); len(again.Problems) != 0 {
		t.Errorf("got problems after the section recovered: %+v", again.Problems)
	}
}
