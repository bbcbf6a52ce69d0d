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

// newVersion returns an empty Version with the given section statuses.
func newVersion(nodes, pods state.SectionStatus) *snapshot.Version {
	v := &snapshot.Version{State: &state.State{}}
	v.SectionStatuses[state.SectionNodes], v.SectionStatuses[state.SectionPods] = nodes, pods
	return v
}

func TestReadyz(t *testing.T) {
	live := state.SectionStatus{Live: true}
	for name, tc := range map[string]struct {
		known       bool
		nodes, pods state.SectionStatus
		want        []string // nil: ready
	}{
		"all live":      {true, live, live, nil},
		"just started":  {false, state.SectionStatus{}, state.SectionStatus{}, []string{"identity: ", "nodes: not read yet", "pods: not read yet"}},
		"no identity":   {false, live, live, []string{"identity: "}},
		"forbidden":     {true, live, state.SectionStatus{Error: state.SectionError{Reason: "Forbidden", Message: "grant it"}}, []string{"pods: not read yet: Forbidden: grant it"}},
		"API server up": {true, live, live, nil},
		"API server unavailable": {
			true,
			state.SectionStatus{ObservedAt: time.Now().Add(-time.Minute), Error: state.SectionError{Reason: "Disconnected", Message: "connection refused"}},
			live,
			[]string{"nodes: last seen 1m0s ago: Disconnected: connection refused"},
		},
	} {
		h := &health{
			identity: func() (string, string, bool) { return "uid", "v1", tc.known },
			current:  func() *snapshot.Version { return newVersion(tc.nodes, tc.pods) },
		}
		mux := http.NewServeMux()
		h.register(mux)
		response := httptest.NewRecorder()
		mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if (response.Code == http.StatusOK) != (tc.want == nil) {
			t.Errorf("%s: got status %d, want 200: %v", name, response.Code, tc.want == nil)
		}
		lines := strings.Split(strings.TrimSpace(response.Body.String()), "\n")
		for i, want := range tc.want {
			if len(lines) != len(tc.want) || !strings.HasPrefix(lines[i], want) {
				t.Errorf("%s: got lines %q, want lines that start with %q", name, lines, tc.want)
				break
			}
		}
		response = httptest.NewRecorder()
		mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if response.Code != http.StatusOK {
			t.Errorf("%s: /healthz: got status %d, want 200", name, response.Code)
		}
	}
}

func TestSnapshotMetrics(t *testing.T) {
	v := newVersion(state.SectionStatus{Live: true}, state.SectionStatus{})
	next, err := state.Apply(v.State, state.Delta{To: 2, Upserts: []state.Entry{{Seq: 1, Object: &state.Node{Name: "a"}}, {Seq: 2, Object: &state.Node{Name: "b"}}}})
	if err != nil {
		t.Fatal(err)
	}
	v.State = next
	m := newSnapshotMetrics(func() *snapshot.Version { return v }, func() int { return 3 })
	err = testutil.CollectAndCompare(m, strings.NewReader(`
# HELP rollcall_agent_inbox_length Updates that are not in the snapshot yet: objects, sections and readings of usage, the latest of each.
# TYPE rollcall_agent_inbox_length gauge
rollcall_agent_inbox_length 3
# HELP rollcall_agent_section_age_seconds Seconds since a section was last confirmed to be up to date; absent if it never was.
# TYPE rollcall_agent_section_age_seconds gauge
rollcall_agent_section_age_seconds{section="nodes"} 0
# HELP rollcall_agent_section_live 1 if all watches of a section are established, else 0.
# TYPE rollcall_agent_section_live gauge
rollcall_agent_section_live{section="network"} 0
rollcall_agent_section_live{section="nodes"} 1
rollcall_agent_section_live{section="pods"} 0
rollcall_agent_section_live{section="storage"} 0
rollcall_agent_section_live{section="usage"} 0
# HELP rollcall_agent_snapshot_changes_total Changes of the snapshot since the agent started.
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
