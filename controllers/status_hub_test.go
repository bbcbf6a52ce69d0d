package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session/dial"
)

func statusNamed(name string) *v1alpha1.ClusterStatus {
	return &v1alpha1.ClusterStatus{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestKubectlColumns(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("columns"))
	observed := of(agent, summaryAt(0))
	observed.ObservedAt = time.Now().Add(-3 * 24 * time.Hour)
	m.setStatus("columns", observed)
	h.awaitStatus(t, "columns", "True/NoProblems")
	text := strings.Fields(strings.Split(h.kubectl(t, "get", "clusterstatus", "columns", "--no-headers"), "\n")[0])
	if got, want := strings.Join(text[:len(text)-1], " "), "columns 3/3 120/122 41% 63% 12% 55% True 3d"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestClusterStatusIsOwnedByClusterAgent(t *testing.T) {
	h := newHub(t)
	h.startMaster(t)
	agent := h.apply(t, named("owner"))
	status := h.awaitStatus(t, "owner", "Unknown/AwaitingFirstContact")
	if len(status.OwnerReferences) != 1 || !metav1.IsControlledBy(status, agent) || *status.OwnerReferences[0].BlockOwnerDeletion {
		t.Errorf("got the owners %+v", status.OwnerReferences)
	}
	h.delete(t, agent)
	h.awaitGone(t, statusNamed("owner"), &v1alpha1.ClusterStatusList{})
}

func TestDeletedClusterStatusIsRecreated(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("deleted"))
	m.setStatus("deleted", of(agent, summaryAt(0)))
	status := h.awaitStatus(t, "deleted", "True/NoProblems")
	h.delete(t, status)
	requeueAfter := h.awaitStatus(t, "deleted", "True/NoProblems")
	if requeueAfter.UID == status.UID || requeueAfter.Status.Display.Nodes != "3/3" {
		t.Errorf("got %+v", requeueAfter)
	}
}

func TestClusterStatusOfOtherOwnerIsReplaced(t *testing.T) {
	h := newHub(t)
	foreign := statusNamed("foreign")
	if err := h.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	agent := h.apply(t, named("foreign"))
	m := h.startMaster(t)
	m.setStatus("foreign", of(agent, summaryAt(0)))
	if status := h.awaitStatus(t, "foreign", "True/NoProblems"); !metav1.IsControlledBy(status, agent) || status.UID == foreign.UID {
		t.Errorf("got %+v", status.ObjectMeta)
	}
}

func TestUnreachableClusterKeepsSummary(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("unreachable"))
	m.setStatus("unreachable", of(agent, failing(dial.DialFailed, "connection refused")))
	h.awaitStatus(t, "unreachable", "Unknown/Stale")
	m.setStatus("unreachable", of(agent, summaryAt(0)))
	h.awaitStatus(t, "unreachable", "True/NoProblems")
	second := h.startMaster(t)
	second.setStatus("unreachable", of(agent, failing(dial.DialFailed, "connection refused")))
	status := h.awaitStatus(t, "unreachable", "Unknown/Stale").Status
	if status.Summary == nil || status.Summary.Nodes.Total != 3 || status.Display.Nodes != "3/3" || !status.ObservedAt.Equal(timeOf(noon)) {
		t.Errorf("got %+v", status)
	}
	if message := status.Conditions[0].Message; message != "DialFailed: connection refused" {
		t.Errorf("got %q", message)
	}
}

func TestLargestSummaryIsAccepted(t *testing.T) {
	h := newHub(t)
	m := h.startMaster(t)
	agent := h.apply(t, named("largest"))
	observed := of(agent, summaryAt(0))
	observed.Summary = tooMuch()
	observed.KubernetesVersion, observed.Message = strings.Repeat("ü", 1000), strings.Repeat("ü", 5000)
	m.setStatus("largest", observed)
	status := h.awaitStatus(t, "largest", "False/Problems")
	if got := len(status.Status.Summary.Problems); got != v1alpha1.MaxProblems {
		t.Errorf("got %d problems, want %d", got, v1alpha1.MaxProblems)
	}
	h.awaitAgent(t, "largest", "Ready=True/Succeeded")
}
