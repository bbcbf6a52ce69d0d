package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	kubeevents "k8s.io/client-go/tools/events"

	"rollcall.dev/rollcall/api/v1alpha1"
)

func TestRefusedAgentsHaveEvents(t *testing.T) {
	recorder := kubeevents.NewFakeRecorder(100)
	h := newRecordingHarness(t, recorder)
	r := h.reconciler.(*agentReconciler)
	l := newLinkEvents(nil, r.client, newEventRecorder(recorder, r.writer.metrics), newEventRecorder(recorder, r.writer.metrics))
	l.record(t.Context(), LinkEvent{Cluster: "no-such-cluster", Message: "NotAdmitted: there is no ClusterAgent"})
	if got := recorded(recorder); len(got) != 0 {
		t.Errorf("without a ClusterAgent: got %q, want no Event", got)
	}
	for i := range 100 {
		l.record(t.Context(), LinkEvent{Cluster: "prod-eu", Message: fmt.Sprintf("NotAdmitted: the agent's key %d is not accepted", i) + strings.Repeat("x", 2000)})
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

// TestEachCauseOfARefusalHasAnEvent has an agent that is refused again and again, and another one that is refused for
// another cause.
func TestEachCauseOfARefusalHasAnEvent(t *testing.T) {
	recorder := kubeevents.NewFakeRecorder(100)
	h := newRecordingHarness(t, recorder)
	r := h.reconciler.(*agentReconciler)
	l := newLinkEvents(nil, r.client, newEventRecorder(recorder, r.writer.metrics), newEventRecorder(recorder, r.writer.metrics))
	now := time.Now()
	l.now = func() time.Time { return now }
	first := LinkEvent{Cluster: "prod-eu", Message: "NotAdmitted: the join token was used by another agent"}
	second := LinkEvent{Cluster: "prod-eu", Message: "DuplicateAgent: another agent has the same key"}
	for range 100 {
		l.record(t.Context(), first)
	}
	l.record(t.Context(), second)
	if got := recorded(recorder); len(got) != 2 {
		t.Errorf("got %d Events, want one for each cause", len(got))
	}
	if actionOf(first) == actionOf(second) {
		t.Error("both causes have the same action, so client-go counts them as one Event")
	}
	now = now.Add(refusalPeriod)
	l.record(t.Context(), first)
	if got := recorded(recorder); len(got) != 1 {
		t.Errorf("after %s: got %d Events, want another one", refusalPeriod, len(got))
	}
}
