package controllers

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// agentFacts has the inputs from which the status of a ClusterAgent is decided.
type agentFacts struct {
	now time.Time
	// agent has the spec, and the current status.
	agent *v1alpha1.ClusterAgent
	// fault says why the agent cannot be dialed as specified; nil if it can.
	fault *session.UnreachableError
	// ipConflicts has the cluster IPs that the ClusterAgent lists but others own.
	ipConflicts []ipConflict
	seen        session.Status
}

// reasonMasterGone is the end reason of a session whose master ended without reporting one.
const reasonMasterGone = "master gone"

// decideAgent returns the status that a ClusterAgent should have. It keeps values of another
// master that this process has not determined itself, except for sessions, which end with their
// master.
func decideAgent(f agentFacts) v1alpha1.ClusterAgentStatus {
	next := *f.agent.Status.DeepCopy()
	next.ObservedGeneration = f.agent.Generation
	f.identify(&next)
	next.Session = f.session()
	meta.SetStatusCondition(&next.Conditions, f.ready())
	meta.SetStatusCondition(&next.Conditions, f.reporting())
	meta.SetStatusCondition(&next.Conditions, f.channelBound())
	return next
}

// identify sets the cluster's UID and the versions. The UID of the first answer is expected in
// later ones; see expectedUID.
func (f agentFacts) identify(next *v1alpha1.ClusterAgentStatus) {
	expected := expectedUID(f.agent)
	if f.seen.UID == "" || expected != "" && f.seen.UID != expected {
		return
	}
	next.ClusterUID = truncate(f.seen.UID, v1alpha1.MaxWord)
	next.AgentVersion = cmp.Or(truncate(f.seen.AgentVersion, v1alpha1.MaxWord), next.AgentVersion)
	next.KubernetesVersion = cmp.Or(truncate(f.seen.KubernetesVersion, v1alpha1.MaxWord), next.KubernetesVersion)
}

// session returns the current session, or how the last session ended.
func (f agentFacts) session() v1alpha1.SessionStatus {
	stored, seen := f.agent.Status.Session, f.seen.Session
	next := v1alpha1.SessionStatus{
		Phase:         cmp.Or(v1alpha1.SessionPhase(seen.Phase), v1alpha1.PhaseIdle),
		LastEndReason: truncate(f.seen.LastEndReason, v1alpha1.MaxWord),
		Message:       truncate(f.seen.Message, v1alpha1.MaxMessage),
	}
	if next.Phase == v1alpha1.PhaseReporting {
		next.ID, next.Holder = truncate(seen.ID, v1alpha1.MaxWord), truncate(seen.Holder, v1alpha1.MaxWord)
		next.StartedAt, next.ExpiresAt = timeOf(seen.StartedAt), timeOf(seen.ExpiresAt)
	}
	switch {
	case next.LastEndReason != "":
	case stored.Phase == v1alpha1.PhaseReporting && stored.Holder != next.Holder:
		next.LastEndReason = reasonMasterGone
	default:
		next.LastEndReason = stored.LastEndReason
	}
	return next
}

func (f agentFacts) condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: truncate(message, v1alpha1.MaxMessage),
		ObservedGeneration: f.agent.Generation,
		LastTransitionTime: *timeOf(f.now),
	}
}

// agentChange returns the reason for writing a ClusterAgent's status, empty if it should not be
// written.
func agentChange(old, next v1alpha1.ClusterAgentStatus) string {
	switch {
	case sameStatus(old, next):
		return ""
	case old.ObservedGeneration != next.ObservedGeneration:
		return reasonSpec
	case !slices.EqualFunc(old.Conditions, next.Conditions, sameCondition):
		return reasonCondition
	}
	return reasonSession
}
