package controllers

import (
	"cmp"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// ready says whether the cluster can be asked. What a person wrote comes first, since
// nothing else can be right before it is; then addresses that others have, with
// what else is wrong; then how the last attempt went.
func (f agentFacts) ready() metav1.Condition {
	switch {
	case f.agent.Spec.Suspend:
		return f.notReady(v1alpha1.ReasonSuspended, "spec.suspend is set: set it to false to hear of the cluster")
	case f.fault != nil:
		return f.notReady(string(f.fault.Reason), f.fault.Error())
	case len(f.lost) > 0:
		return f.notReady(v1alpha1.ReasonClusterIPConflict, f.conflict())
	}
	return f.contact()
}

func (f agentFacts) notReady(reason, message string) metav1.Condition {
	return f.condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}

// conflict says who has what, and what is wrong besides.
func (f agentFacts) conflict() string {
	var claims []string
	for _, l := range f.lost {
		claims = append(claims, fmt.Sprintf("%s is of ClusterAgent %s, which is older", l.ip, l.owner))
	}
	words := fmt.Sprintf("cluster IP %s: remove it from spec.clusterIPs here or there; by its name %s is reached all the same",
		strings.Join(claims, "; "), f.agent.Name)
	if besides := f.contact(); besides.Status == metav1.ConditionFalse {
		words += fmt.Sprintf(". Besides, %s: %s", besides.Reason, besides.Message)
	}
	return words
}

// contact is how the last attempt to reach the agent went.
func (f agentFacts) contact() metav1.Condition {
	if f.seen.Generation != f.agent.Generation || f.seen.Ready == state.Unknown {
		return f.noContact()
	}
	status := metav1.ConditionStatus(f.seen.Ready.String())
	message := cmp.Or(f.seen.Message, "the agent answered the last time it was called")
	if stale := staleWords(f.seen.Stale); stale != "" && f.seen.Ready == state.True {
		message += ". What it knows is old: " + stale
	}
	return f.condition(v1alpha1.ConditionReady, status, string(f.seen.Reason), message)
}

// noContact is for a ClusterAgent that this process has not called yet: what another
// found out about the same spec still holds.
func (f agentFacts) noContact() metav1.Condition {
	stored := meta.FindStatusCondition(f.agent.Status.Conditions, v1alpha1.ConditionReady)
	if stored != nil && stored.ObservedGeneration == f.agent.Generation && tellsOfContact(stored.Reason) {
		return *stored
	}
	return f.condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact,
		"the agent has not been called since this ClusterAgent was made or changed")
}

// tellsOfContact says that a reason of Ready is how an attempt went, and not what the
// ClusterAgents say.
func tellsOfContact(reason string) bool {
	switch reason {
	case v1alpha1.ReasonAwaitingFirstContact, v1alpha1.ReasonSuspended, v1alpha1.ReasonEndpointInvalid, v1alpha1.ReasonTLSInvalid, v1alpha1.ReasonClusterIPConflict:
		return false
	}
	return true
}

// reporting says whether a session is open.
func (f agentFacts) reporting() metav1.Condition {
	status, reason, message := metav1.ConditionFalse, v1alpha1.ReasonNoDemand, "nobody asks for the cluster"
	switch {
	case f.agent.Spec.Suspend:
		reason, message = v1alpha1.ReasonSuspended, "spec.suspend is set"
	case f.seen.Session.Phase == session.Reporting:
		status, reason, message = metav1.ConditionTrue, v1alpha1.ReasonSessionOpen, "the agent reports every period"
		if stale := staleWords(f.seen.Stale); stale != "" {
			reason, message = v1alpha1.ReasonSectionsStale, "the agent reports every period, but what it reports is old: "+stale
		}
	case f.seen.Session.Phase == session.Connecting:
		reason, message = v1alpha1.ReasonConnecting, "the master dials, or waits for the first report"
	case f.seen.Session.Phase == session.Backoff:
		reason, message = v1alpha1.ReasonBackoff, "the last attempt failed, and the next is not due yet; Ready says why"
	}
	return f.condition(v1alpha1.ConditionReporting, status, reason, message)
}

// channelBound says what the master's signatures hold for. What another process heard of an
// agent still holds for the same spec.
func (f agentFacts) channelBound() metav1.Condition {
	if f.seen.Generation == f.agent.Generation {
		switch f.seen.Binding {
		case session.BindingTLS:
			return f.condition(v1alpha1.ConditionChannelBound, metav1.ConditionTrue, v1alpha1.ReasonTLSBound,
				"what the master signs holds for its TLS connection with the agent alone")
		case session.BindingOff:
			return f.condition(v1alpha1.ConditionChannelBound, metav1.ConditionFalse, v1alpha1.ReasonBindingOff,
				"the agent runs with --channel-binding=off: anyone who ends TLS before it, or is on the network path of plain ws, can read and use the connection")
		case session.BindingUnsigned:
			return f.condition(v1alpha1.ConditionChannelBound, metav1.ConditionFalse, v1alpha1.ReasonNotSigned,
				"the agent runs with --auth none: anyone who reaches it can read the cluster")
		case session.BindingUnknown:
		}
	}
	stored := meta.FindStatusCondition(f.agent.Status.Conditions, v1alpha1.ConditionChannelBound)
	if stored != nil && stored.ObservedGeneration == f.agent.Generation {
		return *stored
	}
	return f.condition(v1alpha1.ConditionChannelBound, metav1.ConditionUnknown, v1alpha1.ReasonNotAnswered,
		"no agent has answered since this ClusterAgent was made or changed")
}
