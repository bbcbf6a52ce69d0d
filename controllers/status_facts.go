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

// statusFacts are all that a ClusterStatus is decided from.
type statusFacts struct {
	now   time.Time
	agent *v1alpha1.ClusterAgent
	// stored is the status that it has now.
	stored v1alpha1.ClusterStatusStatus
	seen   session.Observation
	// interval is how old the stored summary may grow while newer ones come.
	interval time.Duration
}

// decideStatus is the status that a ClusterStatus is to have. What is stored stays
// where there is nothing newer: a cluster that cannot be reached has not shrunk to
// nothing.
func decideStatus(f statusFacts) (v1alpha1.ClusterStatusStatus, error) {
	next := *f.stored.DeepCopy()
	if f.hasNews() {
		summary, err := summaryOf(*f.seen.Summary)
		if err != nil {
			return next, fmt.Errorf("take over the summary of %s: %w", f.agent.Name, err)
		}
		next.Summary, next.Display, next.ObservedAt = summary, displayOf(*f.seen.Summary), timeOf(f.seen.ObservedAt)
	}
	next.KubernetesVersion = cmp.Or(cut(f.seen.KubernetesVersion, v1alpha1.MaxWord), next.KubernetesVersion)
	meta.SetStatusCondition(&next.Conditions, f.healthy(next))
	return next, nil
}

// hasNews says that there is a summary that is newer than the stored one. One that
// is stored with a time to come was stored by a wrong clock.
func (f statusFacts) hasNews() bool {
	if f.seen.Summary == nil || timeOf(f.seen.ObservedAt) == nil {
		return false
	}
	stored := f.stored.ObservedAt
	return stored == nil || f.seen.ObservedAt.After(stored.Time) || stored.After(f.now)
}

// healthy is what the summary says, as long as there is reason to believe it.
func (f statusFacts) healthy(next v1alpha1.ClusterStatusStatus) metav1.Condition {
	switch {
	case f.agent.Spec.Suspend:
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonSuspended, "spec.suspend of the ClusterAgent is set")
	case f.failed() && f.untilStale(next) <= 0:
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, fmt.Sprintf("%s: %s", f.seen.Reason, f.seen.Message))
	case f.seen.Ready == state.True && summaryIsStale(f.seen.Stale):
		return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonStale, "the agent answers, but what it knows is old: "+staleWords(f.seen.Stale))
	case f.seen.Ready == state.Unknown && !f.hasNews(), next.Summary == nil:
		return f.noContact()
	case next.Summary.Healthy:
		return f.condition(metav1.ConditionTrue, v1alpha1.ReasonNoProblems, "the last summary is healthy")
	}
	return f.condition(metav1.ConditionFalse, v1alpha1.ReasonProblems, problems(next.Summary))
}

// noContact is for a cluster that this process has not called yet: it is believed to
// be as another process found it.
func (f statusFacts) noContact() metav1.Condition {
	stored := meta.FindStatusCondition(f.stored.Conditions, v1alpha1.ConditionHealthy)
	if stored != nil && stored.Reason != v1alpha1.ReasonSuspended {
		return *stored
	}
	return f.condition(metav1.ConditionUnknown, v1alpha1.ReasonAwaitingFirstContact, "the agent has not been called yet")
}

func (f statusFacts) condition(status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: v1alpha1.ConditionHealthy, Status: status, Reason: reason,
		Message: cut(message, v1alpha1.MaxMessage), LastTransitionTime: *timeOf(f.now),
	}
}

// failed says that the last attempt to hear of the cluster failed, or that none can be
// made.
func (f statusFacts) failed() bool { return f.seen.Ready == state.False }

// untilStale is for how long a summary can still be what it should be, though the
// last attempt failed: a connection that breaks for a moment makes nothing stale.
func (f statusFacts) untilStale(next v1alpha1.ClusterStatusStatus) time.Duration {
	if next.ObservedAt == nil {
		return 0
	}
	return next.ObservedAt.Add(f.agent.Spec.Reporting.CacheTTL.Duration).Sub(f.now)
}

// problems says how many there are, and the worst.
func problems(summary *v1alpha1.Summary) string {
	if len(summary.Problems) == 0 {
		return "the last summary is not healthy"
	}
	worst := summary.Problems[0]
	words := fmt.Sprintf("%s %s: %s", worst.Kind, worst.Where, worst.What)
	if more := worst.Count - 1; more > 0 {
		words += fmt.Sprintf(" (and %d others)", more)
	}
	if worst.Message != "" {
		words += ": " + worst.Message
	}
	if more := summary.ProblemCount - 1; more > 0 {
		words += fmt.Sprintf(" (and %d more)", more)
	}
	return words
}

// lookAgain is in how long a summary is looked for that is overdue.
const lookAgain = 30 * time.Second

// again is in how long to look at a ClusterStatus for which nobody calls: session does
// not, where a report says the same as the one before. A cluster that does not report has
// no newer summary before its next refresh.
func (f statusFacts) again(next v1alpha1.ClusterStatusStatus) time.Duration {
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
	return lookAgain
}
