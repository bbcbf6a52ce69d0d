package join

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// registration describes the ClusterAgent of a member.
type registration struct {
	name, uid string
	// endpoint is the address of the agent, or "" if the agent dials the masters.
	endpoint string
	pins     []string
	// join has the public part of a join token, or is nil. serviceAccount is how the agent enrolls its key, or nil.
	join           *v1alpha1.JoinSpec
	serviceAccount *v1alpha1.ServiceAccountIdentity
	labels         map[string]string
}

// object returns the ClusterAgent, with the fields that this package manages.
func (r registration) object() *unstructured.Unstructured {
	spec := map[string]any{"connection": string(v1alpha1.Reverse)}
	if r.endpoint != "" {
		spec = map[string]any{"connection": string(v1alpha1.Dial), "endpoint": r.endpoint}
	}
	if r.uid != "" {
		spec["clusterUID"] = r.uid
	}
	if len(r.pins) > 0 {
		pins := make([]any, len(r.pins))
		for i, pin := range r.pins {
			pins[i] = pin
		}
		spec["tls"] = map[string]any{"pinnedSHA256": pins}
	}
	if r.join != nil {
		spec["join"] = map[string]any{"keySHA256": r.join.KeySHA256, "expiresAt": r.join.ExpiresAt.UTC().Format(time.RFC3339)}
	}
	if account := r.serviceAccount; account != nil {
		spec["identity"] = map[string]any{"serviceAccount": map[string]any{
			"issuer": account.Issuer, "subject": account.Subject, "audience": account.Audience, "jwks": account.JWKS,
		}}
	}
	metadata := map[string]any{"name": r.name}
	if len(r.labels) > 0 {
		labels := map[string]any{}
		for k, v := range r.labels {
			labels[k] = v
		}
		metadata["labels"] = labels
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "ClusterAgent", "metadata": metadata, "spec": spec,
	}}
}

// checkName returns an error if a name belongs to another cluster than that of uid, or if that cluster has another
// name. It returns the ClusterAgent of the name, or nil if there is none.
func checkName(agents []v1alpha1.ClusterAgent, name, uid string) (*v1alpha1.ClusterAgent, error) {
	var own *v1alpha1.ClusterAgent
	for i := range agents {
		agent := &agents[i]
		registered := cmp.Or(agent.Spec.ClusterUID, agent.Status.ClusterUID)
		switch {
		case agent.Name == name && registered != "" && registered != uid:
			return nil, &Fault{
				fmt.Sprintf("the name %s is taken: its ClusterAgent is for the cluster with the UID %s, and yours has %s", name, registered, uid),
				fmt.Sprintf("choose another name, or remove the other cluster first by `kubectl rollcall leave %s`", name),
			}
		case agent.Name != name && registered == uid:
			return nil, &Fault{
				fmt.Sprintf("this cluster is registered already, as %s (UID %s)", agent.Name, uid),
				fmt.Sprintf("run `kubectl rollcall join %s` to repair it, or `kubectl rollcall leave %s` first to rename it", agent.Name, agent.Name),
			}
		case agent.Name == name:
			own = agent
		}
	}
	return own, nil
}

// awaitCondition waits until a condition of a ClusterAgent is True for its current generation, and returns the
// ClusterAgent. The error contains the condition's message.
func (h *hub) awaitCondition(ctx context.Context, name, condition string) (*v1alpha1.ClusterAgent, error) {
	var agent *v1alpha1.ClusterAgent
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		found, err := h.agent(ctx, name)
		if err != nil {
			return false, err
		}
		if found == nil {
			return false, &Fault{"the ClusterAgent " + name + " was deleted", "run the command again"}
		}
		agent = found
		c := meta.FindStatusCondition(agent.Status.Conditions, condition)
		return c != nil && c.Status == metav1.ConditionTrue && c.ObservedGeneration >= agent.Generation, nil
	})
	return agent, err
}

// conditionText returns the reason and the message of a condition.
func conditionText(agent *v1alpha1.ClusterAgent, condition string) string {
	if agent == nil {
		return ""
	}
	c := meta.FindStatusCondition(agent.Status.Conditions, condition)
	if c == nil {
		return "no master has written the condition " + condition + " yet: check that a master is ready and leads"
	}
	return c.Reason + ": " + c.Message
}

// lastWarning returns the message of the newest warning about a ClusterAgent since a time, or "".
func (h *hub) lastWarning(ctx context.Context, name string, since time.Time) string {
	events, err := h.Client.CoreV1().Events(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: "involvedObject.kind=ClusterAgent,involvedObject.name=" + name + ",type=" + corev1.EventTypeWarning, Limit: 500,
	})
	if err != nil {
		return ""
	}
	recent := slices.DeleteFunc(events.Items, func(e corev1.Event) bool { return eventTime(e).Before(since.Truncate(time.Second)) })
	if len(recent) == 0 {
		return ""
	}
	newest := slices.MaxFunc(recent, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
	return strings.TrimSpace(newest.Reason + ": " + newest.Message)
}

func eventTime(e corev1.Event) time.Time {
	latest := e.LastTimestamp.Time
	if e.EventTime.After(latest) {
		latest = e.EventTime.Time
	}
	if e.Series != nil && e.Series.LastObservedTime.After(latest) {
		latest = e.Series.LastObservedTime.Time
	}
	return latest
}
