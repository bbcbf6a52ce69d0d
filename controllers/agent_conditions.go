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
	"rollcall.dev/rollcall/master/session/dial"
)

// ready returns the condition Ready. Errors in the spec come first, since nothing works before
// they are fixed, then conflicting cluster IPs, then the result of the last attempt.
func (in agentInputs) ready() metav1.Condition {
	switch {
	case in.agent.Spec.Suspend:
		return in.notReady(v1alpha1.ReasonSuspended, "spec.suspend is set: set it to false to connect to the cluster")
	case in.fault != nil:
		return in.notReady(string(in.fault.Reason), in.fault.Error())
	case len(in.ipConflicts) > 0:
		return in.notReady(v1alpha1.ReasonClusterIPConflict, in.conflict())
	}
	return in.lastAttempt()
}

func (in agentInputs) notReady(reason, message string) metav1.Condition {
	return in.condition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}

// conflict returns the message about conflicting cluster IPs, and about the last attempt if it
// failed.
func (in agentInputs) conflict() string {
	var claims []string
	for _, l := range in.ipConflicts {
		claims = append(claims, fmt.Sprintf("%s is owned by the older ClusterAgent %s", l.ip, l.owner))
	}
	text := fmt.Sprintf("cluster IP %s: remove it from spec.clusterIPs of one of them; the cluster is still available as %s",
		strings.Join(claims, "; "), in.agent.Name)
	if last := in.lastAttempt(); last.Status == metav1.ConditionFalse {
		text += fmt.Sprintf(". In addition, %s: %s", last.Reason, last.Message)
	}
	return text
}

// lastAttempt returns the condition Ready according to the last attempt to reach the agent.
func (in agentInputs) lastAttempt() metav1.Condition {
	if in.observed.Generation != in.agent.Generation || in.observed.Ready == state.Unknown {
		return in.notAttempted()
	}
	status := metav1.ConditionStatus(in.observed.Ready.String())
	message := cmp.Or(in.observed.Message, "the agent answered the last connection")
	if stale := describeStale(in.observed.Stale); stale != "" && in.observed.Ready == state.True {
		message += ". Its data is outdated: " + stale
	}
	return in.condition(v1alpha1.ConditionReady, status, string(in.observed.Reason), message)
}

// notAttempted returns the condition Ready of a ClusterAgent that this process has not dialed yet.
// The result of another process still holds for the same spec.
func (in agentInputs) notAttempted() metav1.Condition {
	stored := meta.FindStatusCondition(in.agent.Status.Conditions, v1alpha1.ConditionReady)
	if stored != nil && stored.ObservedGeneration == in.agent.Generation && isAttemptReason(stored.Reason) {
		return *stored
	}
	return in.condition(v1alpha1.ConditionReady, metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact,
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
func (in agentInputs) reporting() metav1.Condition {
	status, reason, message := metav1.ConditionFalse, v1alpha1.ReasonNoDemand, "no client reads the cluster"
	switch {
	case in.agent.Spec.Suspend:
		reason, message = v1alpha1.ReasonSuspended, "spec.suspend is set"
	case in.observed.Session.Phase == session.Reporting:
		status, reason, message = metav1.ConditionTrue, v1alpha1.ReasonSessionOpen, "the agent reports every period"
		if stale := describeStale(in.observed.Stale); stale != "" {
			reason, message = v1alpha1.ReasonSectionsStale, "the agent reports every period, but its data is outdated: "+stale
		}
	case in.observed.Session.Phase == session.Connecting:
		reason, message = v1alpha1.ReasonConnecting, "the master is connecting or waiting for the first report"
	case in.observed.Session.Phase == session.Backoff:
		reason, message = v1alpha1.ReasonBackoff, "the last attempt failed and the next one is not due yet; see the condition Ready for the cause"
	}
	return in.condition(v1alpha1.ConditionReporting, status, reason, message)
}

// channelBound returns the condition ChannelBound. The result of another process still holds for
// the same spec.
func (in agentInputs) channelBound() metav1.Condition {
	if in.observed.Generation == in.agent.Generation {
		switch in.observed.Binding {
		case dial.BindingTLS:
			return in.condition(v1alpha1.ConditionChannelBound, metav1.ConditionTrue, v1alpha1.ReasonTLSBound,
				"the master's signatures are bound to its TLS connection with the agent")
		case dial.BindingOff:
			return in.condition(v1alpha1.ConditionChannelBound, metav1.ConditionFalse, v1alpha1.ReasonBindingOff,
				"the agent runs with --channel-binding=off: anyone who ends TLS before it, or is on the network path of plain ws, can read and use the connection")
		case dial.BindingUnsigned:
			return in.condition(v1alpha1.ConditionChannelBound, metav1.ConditionFalse, v1alpha1.ReasonNotSigned,
				"the agent runs with --auth none: anyone who reaches it can read the cluster")
		case dial.BindingUnknown:
		}
	}
	stored := meta.FindStatusCondition(in.agent.Status.Conditions, v1alpha1.ConditionChannelBound)
	if stored != nil && stored.ObservedGeneration == in.agent.Generation {
		return *stored
	}
	return in.condition(v1alpha1.ConditionChannelBound, metav1.ConditionUnknown, v1alpha1.ReasonNotAnswered,
		"no agent has answered since this ClusterAgent was created or changed")
}

// linked returns the condition Linked of an agent that dials the master.
func (in agentInputs) linked() metav1.Condition {
	if in.observed.Link.Since.IsZero() {
		return in.condition(v1alpha1.ConditionLinked, metav1.ConditionFalse, v1alpha1.ReasonNotLinked,
			"the agent has no connection to this master: check that it runs with --hub and the address of this hub, and that its key is in spec.tls.pinnedSHA256; its log has the cause")
	}
	return in.condition(v1alpha1.ConditionLinked, metav1.ConditionTrue, v1alpha1.ReasonLinkOpen, "the agent is connected to the master")
}
