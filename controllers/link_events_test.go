package controllers

import (
	"strings"
	"testing"

	kubeevents "k8s.io/client-go/tools/events"

	"rollcall.dev/rollcall/api/v1alpha1"
)

func TestRefusedAgentsHaveEvents(t *testing.T) {
	recorder := kubeevents.NewFakeRecorder(100)
	h := newRecordingHarness(t, recorder)
	r := h.reconciler.(*agentReconciler)
	l := &linkEvents{client: r.client, refused: newEventRecorder(recorder, r.writer.metrics), enrolled: newEventRecorder(recorder, r.writer.metrics)}
	l.record(t.Context(), LinkEvent{Cluster: "no-such-cluster", Message: "NotAdmitted: there is no ClusterAgent"})
	if got := recorded(recorder); len(got) != 0 {
		t.Errorf("without a ClusterAgent: got %q, want no Event", got)
	}
	for range 100 {
		l.record(t.Context(), LinkEvent{Cluster: "prod-eu", Message: "NotAdmitted: the agent's key is not accepted" + strings.Repeat("x", 2000)})
	}
	got := recorded(recorder)
	if len(got) != clusterEventBurst || got[0] != "Warning LinkRefused" {
		t.Errorf("got %d Events, the first is %q; want %d of LinkRefused", len(got), got[:1], clusterEventBurst)
	}
	l.record(t.Context(), LinkEvent{Cluster: "prod-eu", Reason: v1alpha1.EventKeyEnrolled, Message: "enrolled"})
	if got := recorded(recorder); len(got) != 1 || got[0] != "Normal KeyEnrolled" {
		t.Errorf("after many refusals: got %q, want KeyEnrolled", got)
	}
}
