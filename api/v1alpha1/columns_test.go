package v1alpha1_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
)

func TestClusterAgentColumns(t *testing.T) {
	h := newHub(t)
	expires := metav1.NewTime(time.Now().Add(time.Hour))
	agent := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "columns"}, Spec: v1alpha1.ClusterAgentSpec{Endpoint: "wss://10.20.0.7:7443"}}
	h.create(t, agent)
	agent.Status = v1alpha1.ClusterAgentStatus{
		Session: v1alpha1.SessionStatus{Phase: v1alpha1.PhaseReporting, ExpiresAt: &expires},
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReporting, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNoDemand, LastTransitionTime: metav1.Now()},
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, LastTransitionTime: metav1.Now()},
		},
	}
	if err := h.client.Status().Update(t.Context(), agent); err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"clusteragents", "clusteragent", "clag"} {
		header, row := h.table(t, resource, "columns")
		mustBe(t, header, "NAME CONNECTION ENDPOINT PHASE READY EXPIRES AGE")
		// The column is a string, since a date column prints <invalid> for a time in the future.
		mustBe(t, row[:len(row)-1], "columns Dial wss://10.20.0.7:7443 Reporting True "+expires.UTC().Format(time.RFC3339))
	}
}

func TestClusterStatusColumns(t *testing.T) {
	h := newHub(t)
	observed := metav1.NewTime(time.Now().Add(-3 * 24 * time.Hour))
	status := &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: "columns"}}
	h.create(t, status)
	status.Status = v1alpha1.ClusterStatusStatus{
		ObservedAt: &observed,
		Display: v1alpha1.Display{
			Nodes: "3/3", Containers: "120/122", CPURequested: "41%", MemoryRequested: "63%", CPUUsed: "12%", MemoryUsed: "55%",
		},
		Conditions: []metav1.Condition{{Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNoProblems, LastTransitionTime: metav1.Now()}},
	}
	if err := h.client.Status().Update(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	for _, resource := range []string{"clusterstatuses", "clusterstatus", "clst"} {
		header, row := h.table(t, resource, "columns")
		mustBe(t, header, "NAME NODES CONTAINERS CPU-REQ MEM-REQ CPU MEM HEALTHY OBSERVED AGE")
		mustBe(t, row[:len(row)-1], "columns 3/3 120/122 41% 63% 12% 55% True 3d")
	}
}

func TestCategoryListsBothKinds(t *testing.T) {
	h := newHub(t)
	h.create(t, minimalAgent(t, "category"))
	h.create(t, minimalStatus(t, "category"))
	names := strings.Fields(h.kubectl(t, "get", "rollcall", "-o", "name"))
	for _, want := range []string{"clusteragent.rollcall.dev/category", "clusterstatus.rollcall.dev/category"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("want %s among %v", want, names)
		}
	}
}

// table returns what `kubectl get` prints for one object: the words of the header and of its row.
func (h *hub) table(t *testing.T, resource, name string) (header, row []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(h.kubectl(t, "get", resource, name)), "\n")
	if len(lines) != 2 {
		t.Fatalf("want a header and a row, got %q", lines)
	}
	return strings.Fields(lines[0]), strings.Fields(lines[1])
}

func mustBe(t *testing.T, words []string, want string) {
	t.Helper()
	if got := strings.Join(words, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
