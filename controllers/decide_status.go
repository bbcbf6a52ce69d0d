package controllers

import (
	"cmp"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/master/session"
)

// statusInputs has the inputs from which a ClusterStatus is decided.
type statusInputs struct {
	now   time.Time
	agent *v1alpha1.ClusterAgent
	// stored is the current status.
	stored   v1alpha1.ClusterStatusStatus
	observed session.Status
	// interval is the age at which the stored summary is replaced by a newer one.
	interval time.Duration
}

// decideStatus returns the status that a ClusterStatus should have. It keeps the stored summary if
// there is no newer one, as for an unreachable cluster.
func decideStatus(in statusInputs) v1alpha1.ClusterStatusStatus {
	next := *in.stored.DeepCopy()
	if in.hasNewSummary() {
		next.Summary, next.Display, next.ObservedAt = summaryOf(*in.observed.Summary), displayOf(*in.observed.Summary), timeOf(in.observed.ObservedAt)
	}
	next.KubernetesVersion = cmp.Or(truncate(in.observed.KubernetesVersion, v1alpha1.MaxShortText), next.KubernetesVersion)
	meta.SetStatusCondition(&next.Conditions, in.healthy(next))
	return next
}

// hasNewSummary reports whether there is a newer summary than the stored one. A stored time in the
// future was written with a wrong clock.
func (in statusInputs) hasNewSummary() bool {
	if in.observed.Summary == nil || timeOf(in.observed.ObservedAt) == nil {
		return false
	}
	stored := in.stored.ObservedAt
	return stored == nil || in.observed.ObservedAt.After(stored.Time) || stored.After(in.now)
}

// healthy returns the condition Healthy: the health in the summary unless that is outdated.
func (in statusInputs) healthy(next v1alpha1.ClusterStatusStatus) metav1.Condition {
	switch {
	case in.agent.Spec.Suspend:
		return in.condition(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "spec.suspend of the ClusterAgent is set")
	case in.failed() && in.untilStale(next) <= 0:
		return in.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, fmt.Sprintf("%s: %s", in.observed.Reason, in.observed.Message))
	case in.observed.Ready == state.True && summaryIsStale(in.observed.Stale):
		return in.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, "the agent answers, but its data is outdated: "+describeStale(in.observed.Stale))
	case in.observed.Ready == state.Unknown && !in.hasNewSummary(), next.Summary == nil:
		return in.notAttempted()
	case next.Summary.Healthy:
		return in.condition(metav1.ConditionTrue, v1alpha1.ReasonNoProblems, "the last summary is healthy")
	}
	return in.condition(metav1.ConditionFalse, v1alpha1.ReasonProblems, problems(next.Summary))
}

// notAttempted returns the condition of a cluster that this process has not dialed yet. It keeps
// the condition that another process wrote.
func (in statusInputs) notAttempted() metav1.Condition {
	stored := meta.FindStatusCondition(in.stored.Conditions, v1alpha1.ConditionHealthy)
	if stored != nil && stored.Reason != v1alpha1.ReasonSuspended {
		return *stored
	}
	return in.condition(metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact, "the agent has not been contacted yet")
}

func (in statusInputs) condition(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: v1alpha1.ConditionHealthy, Status: status, Reason: reason,
		Message: truncate(message, v1alpha1.MaxMessage), LastTransitionTime: *timeOf(in.now),
	}
}

// failed reports whether the last attempt failed or none is possible.
func (in statusInputs) failed() bool { return in.observed.Ready == state.False }

// untilStale returns for how long the summary does not count as stale although the last attempt
// failed: a short interruption does not make it stale.
func (in statusInputs) untilStale(next v1alpha1.ClusterStatusStatus) time.Duration {
	if next.ObservedAt == nil {
		return 0
	}
	return next.ObservedAt.Add(in.agent.Spec.Reporting.CacheTTL.Duration).Sub(in.now)
}

// problems returns the most severe problem and the number of others.
func problems(summary *v1alpha1.Summary) string {
	if len(summary.Problems) == 0 {
		return "the last summary is not healthy"
	}
	worst := summary.Problems[0]
	text := fmt.Sprintf("%s %s: %s", worst.Kind, worst.Where, worst.What)
	if more := worst.Count - 1; more > 0 {
		text += fmt.Sprintf(" (and %d others)", more)
	}
	if worst.Message != "" {
		text += ": " + worst.Message
	}
	if more := summary.ProblemCount - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// overdueRecheck is the interval between reconciles while a newer summary is overdue.
const overdueRecheck = 30 * time.Second

// requeueAfter returns when to reconcile a ClusterStatus without an event, since Sessions sends
// none if a report equals the previous one. A cluster without a session gets no summary before its
// next refresh.
func (in statusInputs) requeueAfter(next v1alpha1.ClusterStatusStatus) time.Duration {
	if wait := in.untilStale(next); in.failed() && wait > 0 {
		return wait
	}
	wait := untilDue(in.stored, in.now, in.interval)
	if in.observed.Session.Phase != session.Reporting {
		wait = max(wait, untilDue(in.stored, in.now, cmp.Or(clusterOf(in.agent).IdleRefresh, defaultIdleRefresh)))
	}
	if wait > 0 {
		return wait
	}
	return overdueRecheck
}
