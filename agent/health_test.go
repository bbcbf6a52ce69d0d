package agent

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"rollcall.dev/rollcall/agent/snapshot"
	"rollcall.dev/rollcall/api/state"
)

func versionWith(nodes, pods state.SectionStatus) *snapshot.Version {
	v := &snapshot.Version{State: &state.State{}}
	v.SectionStatuses[state.SectionNodes], v.SectionStatuses[state.SectionPods] = nodes, pods
	return v
}

func TestReadyzSaysWhyTheAgentIsNotReady(t *testing.T) {
	live := state.SectionStatus{Live: true}
	for name, tc := range map[string]struct {
		known       bool
		nodes, pods state.SectionStatus
		want        []string // none: ready
	}{
		"all is well":   {true, live, live, nil},
		"just started":  {false, state.SectionStatus{}, state.SectionStatus{}, []string{"identity: ", "nodes: not read yet", "pods: not read yet"}},
		"no identity":   {false, live, live, []string{"identity: "}},
		"forbidden":     {true, live, state.SectionStatus{Error: state.SectionError{Reason: "Forbidden", Message: "grant it"}}, []string{"pods: not read yet: Forbidden: grant it"}},
		"API server up": {true, live, live, nil},
		"API server away": {
			true,
			state.SectionStatus{ObservedAt: time.Now().Add(-time.Minute), Error: state.SectionError{Reason: "Disconnected", Message: "connection refused"}},
			live,
			[]string{"nodes: last seen 1m0s ago: Disconnected: connection refused"},
		},
	} {
		h := &health{
			identity: func() (string, string, bool) { return "uid", "v1", tc.known },
			current:  func() *snapshot.Version { return versionWith(tc.nodes, tc.pods) },
		}
		mux := http.NewServeMux()
		h.register(mux)
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if (answer.Code == http.StatusOK) != (tc.want == nil) {
			t.Errorf("%s: %d", name, answer.Code)
		}
		lines := strings.Split(strings.TrimSpace(answer.Body.String()), "\n")
		for i, want := range tc.want {
			if len(lines) != len(tc.want) || !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: %q, want %q", name, lines, tc.want)
				break
			}
		}
		answer = httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if answer.Code != http.StatusOK {
			t.Errorf("%s: healthz says %d", name, answer.Code)
		}
	}
}

func TestSnapshotMetricsTellObjectsAndSections(t *testing.T) {
	v := versionWith(state.SectionStatus{Live: true}, state.SectionStatus{})
	next, err := state.Apply(v.State, state.Delta{To: 2, Upserts: []state.Entry{{Seq: 1, Object: &state.Node{Name: "a"}}, {Seq: 2, Object: &state.Node{Name: "b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	v.State = next
	m := newSnapshotMetrics(func() *snapshot.Version { return v }, func() int { return 3 })
	err = testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rollcall_agent_inbox_length Objects, sections and readings of usage that came in and are not in the snapshot yet, the latest of each.
# TYPE rollcall_agent_inbox_length gauge
rollcall_agent_inbox_length 3
# HELP rollcall_agent_section_age_seconds How long ago a section was last known to be true; absent: never.
# TYPE rollcall_agent_section_age_seconds gauge
rollcall_agent_section_age_seconds{section="nodes"} 0
# HELP rollcall_agent_section_live 1 where all of a section is watched right now.
# TYPE rollcall_agent_section_live gauge
rollcall_agent_section_live{section="network"} 0
rollcall_agent_section_live{section="nodes"} 1
rollcall_agent_section_live{section="pods"} 0
rollcall_agent_section_live{section="storage"} 0
rollcall_agent_section_live{section="usage"} 0
# HELP rollcall_agent_snapshot_changes_total Changes of the snapshot since the agent began.
# TYPE rollcall_agent_snapshot_changes_total counter
rollcall_agent_snapshot_changes_total 2
# HELP rollcall_agent_snapshot_objects Objects in the snapshot, by kind.
# TYPE rollcall_agent_snapshot_objects gauge
rollcall_agent_snapshot_objects{kind="claim"} 0
rollcall_agent_snapshot_objects{kind="container"} 0
rollcall_agent_snapshot_objects{kind="node"} 2
rollcall_agent_snapshot_objects{kind="nodeLoad"} 0
rollcall_agent_snapshot_objects{kind="persistentVolume"} 0
rollcall_agent_snapshot_objects{kind="pod"} 0
rollcall_agent_snapshot_objects{kind="port"} 0
rollcall_agent_snapshot_objects{kind="service"} 0
rollcall_agent_snapshot_objects{kind="target"} 0
`))
	if err != nil {
		t.Error(err)
	}
}
