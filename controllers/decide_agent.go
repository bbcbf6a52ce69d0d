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

// agentInputs has the inputs from which the status of a ClusterAgent is decided.
type agentInputs struct {
	now time.Time
	// agent has the spec, and the current status.
	agent *v1alpha1.ClusterAgent
	// fault says what in the spec prevents dialing the agent; nil if nothing does.
	fault *session.UnreachableError
	// ipConflicts has the cluster IPs that the ClusterAgent lists but others own.
	ipConflicts []ipConflict
	observed    session.Status
}

// reasonMasterGone is the end reason of a session whose master ended without reporting one.
const reasonMasterGone = "master gone"

// decideAgent returns the status that a ClusterAgent should have. It keeps values of another
// master that this process has not determined itself, except for sessions, which end with their
// master.
func decideAgent(in agentInputs) v1alpha1.ClusterAgentStatus {
	next := *in.agent.Status.DeepCopy()
	next.ObservedGeneration = in.agent.Generation
	in.setIdentity(&next)
	next.Session = in.session()
	meta.SetStatusCondition(&next.Conditions, in.ready())
	meta.SetStatusCondition(&next.Conditions, in.reporting())
	meta.SetStatusCondition(&next.Conditions, in.channelBound())
	in.setLink(&next)
	return next
}

// setLink sets the status and the condition of the connection of an agent that dials the master, and removes those of
// one that is dialed.
func (in agentInputs) setLink(next *v1alpha1.ClusterAgentStatus) {
	next.Link = v1alpha1.LinkStatus{}
	if in.agent.Spec.Connection != v1alpha1.Reverse {
		meta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionLinked)
		return
	}
	meta.SetStatusCondition(&next.Conditions, in.linked())
	if link := in.observed.Link; !link.Since.IsZero() {
		since := metav1.NewTime(link.Since.Truncate(time.Second))
		next.Link = v1alpha1.LinkStatus{Since: &since, Address: truncate(link.Address, v1alpha1.MaxShortText), RoundTrip: link.RoundTrip.Round(100 * time.Microsecond).String()}
	}
}

// setIdentity sets the cluster's UID and the versions. The UID of the first answer is expected in
// later ones; see expectedUID.
func (in agentInputs) setIdentity(next *v1alpha1.ClusterAgentStatus) {
	expected := expectedUID(in.agent)
	if in.observed.UID == "" || expected != "" && in.observed.UID != expected {
		return
	}
	next.ClusterUID = truncate(in.observed.UID, v1alpha1.MaxShortText)
	next.AgentVersion = cmp.Or(truncate(in.observed.AgentVersion, v1alpha1.MaxShortText), next.AgentVersion)
	next.KubernetesVersion = cmp.Or(truncate(in.observed.KubernetesVersion, v1alpha1.MaxShortText), next.KubernetesVersion)
}

// session returns the current session, or how the last session ended.
func (in agentInputs) session() v1alpha1.SessionStatus {
	stored, observed := in.agent.Status.Session, in.observed.Session
	next := v1alpha1.SessionStatus{
		Phase:         cmp.Or(v1alpha1.SessionPhase(observed.Phase), v1alpha1.PhaseIdle),
		LastEndReason: truncate(in.observed.LastEndReason, v1alpha1.MaxShortText),
		Message:       truncate(in.observed.Message, v1alpha1.MaxMessage),
	}
	if next.Phase == v1alpha1.PhaseReporting {
		next.ID, next.Holder = truncate(observed.ID, v1alpha1.MaxShortText), truncate(observed.Holder, v1alpha1.MaxShortText)
		next.StartedAt, next.ExpiresAt = timeOf(observed.StartedAt), timeOf(observed.ExpiresAt)
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

func (in agentInputs) condition(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, Reason: reason, Message: truncate(message, v1alpha1.MaxMessage),
		ObservedGeneration: in.agent.Generation,
		LastTransitionTime: *timeOf(in.now),
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
