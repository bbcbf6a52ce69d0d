package controllers

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeevents "k8s.io/client-go/tools/events"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// Limits of Events. client-go's recorder also counts equal Events of a cluster in one object while they follow
// within six minutes.
const (
	// clusterEventBurst is how many Events of a cluster may follow each other immediately,
	// clusterEventInterval the time between further ones.
	clusterEventBurst    = 6
	clusterEventInterval = 5 * time.Minute
	// eventBurst and eventRate limit the Events about all clusters, which may all be lost at once.
	eventBurst = 100
	eventRate  = rate.Limit(1)
)

// eventRecorder writes Events about what a person should notice. Only the leader reconciles, and an Event is
// only written after the change of the condition that it is about was stored, so other masters, and this one
// after a restart, do not repeat it.
type eventRecorder struct {
	recorder kubeevents.EventRecorder
	metrics  *metrics
	now      func() time.Time

	mu sync.Mutex
	// Guarded by mu:
	all      *rate.Limiter
	clusters map[string]*rate.Limiter
}

func newEventRecorder(r kubeevents.EventRecorder, m *metrics) *eventRecorder {
	return &eventRecorder{recorder: r, metrics: m, now: time.Now, all: rate.NewLimiter(eventRate, eventBurst), clusters: map[string]*rate.Limiter{}}
}

// notice is an Event to be written.
type notice struct{ kind, reason, note string }

// statusChanged writes an Event if the new status of a ClusterAgent is worth one.
func (r *eventRecorder) statusChanged(agent *v1alpha1.ClusterAgent, before v1alpha1.ClusterAgentStatus) {
	if n, ok := noticeOf(agent.Name, before, agent.Status); ok {
		r.write(agent, n)
	}
}

// write writes an Event, unless there are too many.
func (r *eventRecorder) write(agent *v1alpha1.ClusterAgent, n notice) {
	r.writeAction(agent, n, v1alpha1.EventAction)
}

// writeAction is like write, with another action. client-go counts Events with the same reason and action as one, with
// the text of the first.
func (r *eventRecorder) writeAction(agent *v1alpha1.ClusterAgent, n notice, action string) {
	if !r.allow(agent.Name) {
		r.metrics.events.WithLabelValues(outcomeLimited).Inc()
		return
	}
	r.metrics.events.WithLabelValues(outcomeRecorded).Inc()
	// With a resourceVersion, client-go would not recognize equal Events.
	regarding := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: agent.Name, UID: agent.UID}}
	r.recorder.Eventf(regarding, nil, n.kind, n.reason, action, "%s", n.note)
}

// allow reports whether the limits allow an Event about a cluster now.
func (r *eventRecorder) allow(cluster string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	limiter := r.clusters[cluster]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Every(clusterEventInterval), clusterEventBurst)
		r.clusters[cluster] = limiter
	}
	return limiter.AllowN(r.now(), 1) && r.all.AllowN(r.now(), 1)
}

// forget removes the limit of a deleted ClusterAgent.
func (r *eventRecorder) forget(cluster string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clusters, cluster)
}

// noticeOf returns the Event about the change of a ClusterAgent's status; false if there is none. Its text has no
// details of the condition: more users may read Events in the namespace default than ClusterAgents, and
// `kubectl describe` shows both. What a user has done to the spec, such as suspending, is not worth an Event.
func noticeOf(name string, before, after v1alpha1.ClusterAgentStatus) (notice, bool) {
	was, is := readyOf(before), readyOf(after)
	sameReason := was.Status == is.Status && was.Reason == is.Reason
	switch {
	case is.Status == metav1.ConditionFalse && is.Reason == v1alpha1.ReasonSuspended:
		return notice{}, false
	case is.Status == metav1.ConditionFalse && !sameReason:
		return notice{corev1.EventTypeWarning, is.Reason, describeFailure(is.Reason) + fmt.Sprintf("; the condition Ready says why and what to do: kubectl describe clusteragent %s", name)}, true
	case is.Status != metav1.ConditionTrue:
		return notice{}, false
	case before.ClusterUID == "" && after.ClusterUID != "":
		return notice{corev1.EventTypeNormal, v1alpha1.EventFirstContact, fmt.Sprintf("the agent answered for the first time: cluster UID %s, Kubernetes %s, agent %s",
			after.ClusterUID, cmp.Or(after.KubernetesVersion, "unknown"), cmp.Or(after.AgentVersion, "unknown"))}, true
	case before.ClusterUID != after.ClusterUID:
		return notice{corev1.EventTypeNormal, v1alpha1.EventClusterUIDChanged, fmt.Sprintf("the cluster with UID %s is accepted, as spec.clusterUID says; before it was %s", after.ClusterUID, before.ClusterUID)}, true
	case is.Reason == v1alpha1.ReasonClockSkew && !sameReason:
		return notice{corev1.EventTypeWarning, is.Reason, "the agent answers, but the clocks of master and agent differ by more than tokens allow: correct them"}, true
	case was.Status == metav1.ConditionFalse && was.Reason != v1alpha1.ReasonSuspended:
		return notice{corev1.EventTypeNormal, v1alpha1.EventReachable, fmt.Sprintf("the agent answers again, after %s for %s", was.Reason, is.LastTransitionTime.Sub(was.LastTransitionTime.Time).Round(time.Second))}, true
	case was.Status == metav1.ConditionUnknown && was.ObservedGeneration > 0:
		return notice{corev1.EventTypeNormal, v1alpha1.EventReachable, "the agent answers"}, true
	}
	return notice{}, false
}

// readyOf returns the condition Ready of a status; the zero value if there is none.
func readyOf(s v1alpha1.ClusterAgentStatus) metav1.Condition {
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); c != nil {
		return *c
	}
	return metav1.Condition{Status: metav1.ConditionUnknown}
}

// describeFailure says what a reason of Ready=False means.
func describeFailure(reason string) string {
	switch reason {
	case v1alpha1.ReasonClusterUIDMismatch, v1alpha1.ReasonWrongCluster:
		return "another cluster than the registered one answers; its data is refused"
	case v1alpha1.ReasonEndpointInvalid, v1alpha1.ReasonTLSInvalid:
		return "the agent is not contacted, because the spec is invalid"
	case v1alpha1.ReasonClusterIPConflict:
		return "another ClusterAgent owns one of spec.clusterIPs"
	case v1alpha1.ReasonDialFailed:
		return "the agent cannot be reached"
	case v1alpha1.ReasonAgentNotReady:
		return "the agent cannot read its cluster"
	case v1alpha1.ReasonUnauthorized, v1alpha1.ReasonBusy:
		return "the agent refuses the master"
	}
	return "the master refuses the agent"
}
