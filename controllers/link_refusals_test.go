package controllers

import (
	"strings"
	"testing"

	kubeevents "k8s.io/client-go/tools/events"
)

func TestRefusedAgentsHaveEvents(t *testing.T) {
	recorder := kubeevents.NewFakeRecorder(100)
	h := newRecordingHarness(t, recorder)
	r := h.reconciler.(*agentReconciler)
	l := &linkRefusals{client: r.client, events: newEventRecorder(recorder, r.writer.metrics)}
	l.record(t.Context(), LinkRefusal{Cluster: "no-such-cluster", Message: "NotAdmitted: there is no ClusterAgent"})
	if got := recorded(recorder); len(got) != 0 {
		t.Errorf("without a ClusterAgent: got %q, want no Event", got)
	}
	for range 100 {
		l.record(t.Context(), LinkRefusal{Cluster: "prod-eu", Message: "NotAdmitted: the agent's key is not accepted" + strings.Repeat("x", 2000)})
	}
	got := recorded(recorder)
	if len(got) != clusterEventBurst || got[0] != "Warning LinkRefused" {
		t.Errorf("got %d Events, the first is %q; want %d of LinkRefused", len(got), got[:1], clusterEventBurst)
	}
}
