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

// ready returns the condition Ready. Errors in the spec come first, since nothing works before
// they are fixed, then conflicting cluster IPs, then the result of the last attempt.
func (f agentFacts) ready() metav1.Condition {
	switch {
	case f.agent.Spec.Suspend:
		return f.notReady(v1alpha1.ReasonSuspended, "spec.suspend is set: set it to false to connect to the cluster")
	case f.fault != nil:
		return f.notReady(string(f.fault.Reason), f.fault.Error())
	case len(f.ipConflicts) > 0:
		return f.notReady(v1alpha1.ReasonClusterIPConflict, f.conflict())
	}
	return f.lastAttempt()
}

func (f agentFacts) notReady(reason, message string) metav1.Condition {
	return f.condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}

// conflict returns the message about conflicting cluster IPs, and about the last attempt if it
// failed.
func (f agentFacts) conflict() string {
	var claims []string
	for _, l := range f.ipConflicts {
		claims = append(claims, fmt.Sprintf("%s is owned by the older ClusterAgent %s", l.ip, l.owner))
	}
	text := fmt.Sprintf("cluster IP %s: remove it from spec.clusterIPs of one of them; the cluster is still available as %s",
		strings.Join(claims, "; "), f.agent.Name)
	if besides := f.lastAttempt(); besides.Status == metav1.ConditionFalse {
		text += fmt.Sprintf(". In addition, %s: %s", besides.Reason, besides.Message)
	}
	return text
}

// lastAttempt returns the condition Ready according to the last attempt to reach the agent.
func (f agentFacts) lastAttempt() metav1.Condition {
	if f.seen.Generation != f.agent.Generation || f.seen.Ready == state.Unknown {
		return f.notAttempted()
	}
	status := metav1.ConditionStatus(f.seen.Ready.String())
	message := cmp.Or(f.seen.Message, "the agent answered the last connection")
	if stale := describeStale(f.seen.Stale); stale != "" && f.seen.Ready == state.True {
		message += ". Its data is outdated: " + stale
	}
	return f.condition(v1alpha1.ConditionReady, status, string(f.seen.Reason), message)
}

// notAttempted returns the condition Ready of a ClusterAgent that this process has not dialed yet.
// The result of another process still holds for the same spec.
func (f agentFacts) notAttempted() metav1.Condition {
	stored := meta.FindStatusCondition(f.agent.Status.Conditions, v1alpha1.ConditionReady)
	if stored != nil && stored.ObservedGeneration == f.agent.Generation && isAttemptReason(stored.Reason) {
		return *stored
	}
	return f.condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact,
		"the agent has not been contacted since this ClusterAgent was created or changed")
}

// isAttemptReason reports whether a reason of Ready is the result of an attempt, and not of the
// spec.
func isAttemptReason(reason string) bool {
	switch reason {
	case v1alpha1.ReasonAwaitingFirstContact, v1alpha1.ReasonSuspended, v1alpha1.ReasonEndpointInvalid, v1alpha1.ReasonTLSInvalid, v1alpha1.ReasonClusterIPConflict:
		return false
	}
	return true
}

// reporting returns the condition Reporting.
func (f agentFacts) reporting() metav1.Condition {
	status, reason, message := metav1.ConditionFalse, v1alpha1.ReasonNoDemand, "no client reads the cluster"
	switch {
	case f.agent.Spec.Suspend:
		reason, message = v1alpha1.ReasonSuspended, "spec.suspend is set"
	case f.seen.Session.Phase == session.Reporting:
		status, reason, message = metav1.ConditionTrue, v1alpha1.ReasonSessionOpen, "the agent reports every period"
		if stale := describeStale(f.seen.Stale); stale != "" {
			reason, message = v1alpha1.ReasonSectionsStale, "the agent reports every period, but its data is outdated: "+stale
		}
	case f.seen.Session.Phase == session.Connecting:
		reason, message = v1alpha1.ReasonConnecting, "the master is connecting or waiting for the first report"
	case f.seen.Session.Phase == session.Backoff:
		reason, message = v1alpha1.ReasonBackoff, "the last attempt failed and the next one is not due yet; see the condition Ready for the cause"
	}
	return f.condition(v1alpha1.ConditionReporting, status, reason, message)
}

// channelBound returns the condition ChannelBound. The result of another process still holds for
// the same spec.
func (f agentFacts) channelBound() metav1.Condition {
	if f.seen.Generation == f.agent.Generation {
		switch f.seen.Binding {
		case session.BindingTLS:
			return f.condition(v1alpha1.ConditionChannelBound, metav1.ConditionTrue, v1alpha1.ReasonTLSBound,
				"the master's signatures are bound to its TLS connection with the agent")
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
		"no agent has answered since this ClusterAgent was created or changed")
}
