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

// agentFacts are all that the status of a ClusterAgent is decided from.
type agentFacts struct {
	now time.Time
	// agent is what a person says, and the status that it has now.
	agent *v1alpha1.ClusterAgent
	// fault is what keeps it from being dialed as it is written; nil: nothing.
	fault *session.UnreachableError
	// lost are the addresses that it claims and others have.
	lost []loss
	seen session.Observation
}

// endedWithMaster is the end reason of a session whose master went without a word.
const endedWithMaster = "master gone"

// decideAgent is the status that a ClusterAgent is to have. What this process has not
// found out itself stays as another left it, except for sessions, which end with
// their master.
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

// identify notes who answered. The first that does is who must from then on: see
// expectedUID.
func (f agentFacts) identify(next *v1alpha1.ClusterAgentStatus) {
	expected := expectedUID(f.agent)
	if f.seen.UID == "" || expected != "" && f.seen.UID != expected {
		return
	}
	next.ClusterUID = cut(f.seen.UID, v1alpha1.MaxWord)
	next.AgentVersion = cmp.Or(cut(f.seen.AgentVersion, v1alpha1.MaxWord), next.AgentVersion)
	next.KubernetesVersion = cmp.Or(cut(f.seen.KubernetesVersion, v1alpha1.MaxWord), next.KubernetesVersion)
}

// session is what goes on, or how the last session ended.
func (f agentFacts) session() v1alpha1.SessionStatus {
	stored, seen := f.agent.Status.Session, f.seen.Session
	next := v1alpha1.SessionStatus{
		Phase:         cmp.Or(v1alpha1.SessionPhase(seen.Phase), v1alpha1.PhaseIdle),
		LastEndReason: cut(f.seen.LastEndReason, v1alpha1.MaxWord),
		Message:       cut(f.seen.Message, v1alpha1.MaxMessage),
	}
	if next.Phase == v1alpha1.PhaseReporting {
		next.ID, next.Holder = cut(seen.ID, v1alpha1.MaxWord), cut(seen.Holder, v1alpha1.MaxWord)
		next.StartedAt, next.ExpiresAt = timeOf(seen.StartedAt), timeOf(seen.ExpiresAt)
	}
	switch {
	case next.LastEndReason != "":
	case stored.Phase == v1alpha1.PhaseReporting && stored.Holder != next.Holder:
		next.LastEndReason = endedWithMaster
	default:
		next.LastEndReason = stored.LastEndReason
	}
	return next
}

func (f agentFacts) condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: cut(message, v1alpha1.MaxMessage),
		ObservedGeneration: f.agent.Generation,
		LastTransitionTime: *timeOf(f.now),
	}
}

// agentChange says why a ClusterAgent's status is to be written; empty: it is not.
func agentChange(old, next v1alpha1.ClusterAgentStatus) string {
	switch {
	case sameStatus(old, next):
		return ""
	case old.ObservedGeneration != next.ObservedGeneration:
		return becauseSpec
	case !slices.EqualFunc(old.Conditions, next.Conditions, sameCondition):
		return becauseCondition
	}
	return becauseSession
}
