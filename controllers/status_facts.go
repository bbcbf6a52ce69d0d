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

// statusFacts has the inputs from which a ClusterStatus is decided.
type statusFacts struct {
	now   time.Time
	agent *v1alpha1.ClusterAgent
	// stored is the current status.
	stored v1alpha1.ClusterStatusStatus
	seen   session.Status
	// interval is the age at which the stored summary is replaced by a newer one.
	interval time.Duration
}

// decideStatus returns the status that a ClusterStatus should have. It keeps the stored summary if
// there is no newer one, as for an unreachable cluster.
func decideStatus(f statusFacts) (v1alpha1.ClusterStatusStatus, error) {
	next := *f.stored.DeepCopy()
	if f.hasNewSummary() {
		summary, err := summaryOf(*f.seen.Summary)
		if err != nil {
			return next, fmt.Errorf("convert the summary of %s: %w", f.agent.Name, err)
		}
		next.Summary, next.Display, next.ObservedAt = summary, displayOf(*f.seen.Summary), timeOf(f.seen.ObservedAt)
	}
	next.KubernetesVersion = cmp.Or(truncate(f.seen.KubernetesVersion, v1alpha1.MaxWord), next.KubernetesVersion)
	meta.SetStatusCondition(&next.Conditions, f.healthy(next))
	return next, nil
}

// hasNewSummary reports whether there is a newer summary than the stored one. A stored time in the
// future was written with a wrong clock.
func (f statusFacts) hasNewSummary() bool {
	if f.seen.Summary == nil || timeOf(f.seen.ObservedAt) == nil {
		return false
	}
	stored := f.stored.ObservedAt
	return stored == nil || f.seen.ObservedAt.After(stored.Time) || stored.After(f.now)
}

// healthy returns the condition Healthy: the health in the summary unless that is outdated.
func (f statusFacts) healthy(next v1alpha1.ClusterStatusStatus) metav1.Condition {
	switch {
	case f.agent.Spec.Suspend:
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "spec.suspend of the ClusterAgent is set")
	case f.failed() && f.untilStale(next) <= 0:
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, fmt.Sprintf("%s: %s", f.seen.Reason, f.seen.Message))
	case f.seen.Ready == state.True && summaryIsStale(f.seen.Stale):
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, "the agent answers, but its data is outdated: "+describeStale(f.seen.Stale))
	case f.seen.Ready == state.Unknown && !f.hasNewSummary(), next.Summary == nil:
		return f.notAttempted()
	case next.Summary.Healthy:
		return f.condition(metav1.ConditionTrue, v1alpha1.ReasonNoProblems, "the last summary is healthy")
	}
	return f.condition(metav1.ConditionFalse, v1alpha1.ReasonProblems, problems(next.Summary))
}

// notAttempted returns the condition of a cluster that this process has not dialed yet. It keeps
// the condition that another process wrote.
func (f statusFacts) notAttempted() metav1.Condition {
	stored := meta.FindStatusCondition(f.stored.Conditions, v1alpha1.ConditionHealthy)
	if stored != nil && stored.Reason != v1alpha1.ReasonSuspended {
		return *stored
	}
	return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact, "the agent has not been contacted yet")
}

func (f statusFacts) condition(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: v1alpha1.ConditionHealthy, Status: status, Reason: reason,
		Message: truncate(message, v1alpha1.MaxMessage), LastTransitionTime: *timeOf(f.now),
	}
}

// failed reports whether the last attempt failed or none is possible.
func (f statusFacts) failed() bool { return f.seen.Ready == state.False }

// untilStale returns for how long the summary stays valid although the last attempt failed, so
// that a short interruption does not make it stale.
func (f statusFacts) untilStale(next v1alpha1.ClusterStatusStatus) time.Duration {
	if next.ObservedAt == nil {
		return 0
	}
	return next.ObservedAt.Add(f.agent.Spec.Reporting.CacheTTL.Duration).Sub(f.now)
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

// overdueRecheck is the interval of checks for a summary that is overdue.
const overdueRecheck = 30 * time.Second

// requeueAfter returns when to reconcile a ClusterStatus without an event, since Sessions sends
// none if a report equals the previous one. A cluster without a session gets no summary before its
// next refresh.
func (f statusFacts) requeueAfter(next v1alpha1.ClusterStatusStatus) time.Duration {
	if wait := f.untilStale(next); f.failed() && wait > 0 {
		return wait
	}
	wait := untilDue(f.stored, f.now, f.interval)
	if f.seen.Session.Phase != session.Reporting {
		wait = max(wait, untilDue(f.stored, f.now, cmp.Or(clusterOf(f.agent).IdleRefresh, defaultIdleRefresh)))
	}
	if wait > 0 {
		return wait
	}
	return overdueRecheck
}
