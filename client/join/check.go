package join

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// warningsSince is how old a warning about a cluster may be to be shown by Check.
const warningsSince = 10 * time.Minute

// CheckOptions are the settings of Check.
type CheckOptions struct {
	// Name is the name of the cluster.
	Name         string
	Hub          *Cluster
	HubNamespace string
	// Member is the cluster. If it is nil, only what the hub knows is checked.
	Member *Cluster
	Out    io.Writer
	// Ask asks the masters for the cluster's state. Nil means not to ask.
	Ask func(ctx context.Context, cluster string) (Answer, error)
}

// checking is one run of Check.
type checking struct {
	CheckOptions
	run   run
	hub   hub
	facts hubFacts
	agent *v1alpha1.ClusterAgent
}

// Check checks everything that Join does, and changes nothing. It returns ErrFailed if something does not work.
func Check(ctx context.Context, o CheckOptions) error {
	c := &checking{CheckOptions: o, run: run{out: o.Out}, hub: hub{o.Hub, o.HubNamespace}}
	steps := []step{{"hub", c.checkHub}, {"registration", c.checkRegistration}}
	if o.Member != nil {
		steps = append(steps, step{"cluster", c.checkMember}, step{"metrics API", c.checkMetrics}, step{"agent", c.checkAgent}, step{"keys", c.checkKeys})
	}
	steps = append(steps, step{"link", c.checkLink}, step{"answer", c.checkAnswer})
	failed := 0
	for _, s := range steps {
		// A later step needs nothing of an earlier one, except for the ClusterAgent.
		if c.run.execute(ctx, []step{s}) != nil {
			failed++
			if c.agent == nil {
				break
			}
		}
	}
	if failed > 0 {
		return ErrFailed
	}
	fmt.Fprintf(o.Out, "\n%s works.\n", o.Name)
	return nil
}

func (c *checking) checkHub(ctx context.Context) (result, error) {
	version, err := c.hub.version()
	if err != nil {
		return result{}, err
	}
	if c.agent, err = c.hub.agent(ctx, c.Name); err != nil {
		return result{}, err
	}
	if err := c.hub.keys(ctx, &c.facts); err != nil {
		return result{}, err
	}
	return resultf("%s, Kubernetes %s, signing key %s", c.Hub.Host, version, keyFingerprint(c.facts.signingKeys))
}

func (c *checking) checkRegistration(context.Context) (result, error) {
	if c.agent == nil {
		return result{}, &Fault{"there is no ClusterAgent " + c.Name + " on the hub", "join the cluster: kubectl rollcall join " + c.Name}
	}
	if c.agent.Spec.Suspend {
		return result{}, &Fault{"the ClusterAgent is suspended", fmt.Sprintf("resume it: kubectl patch clusteragent %s --type=merge -p '{\"spec\":{\"suspend\":false}}'", c.Name)}
	}
	text := fmt.Sprintf("ClusterAgent %s, connection %s, key accepted by %s", c.Name, cmp.Or(c.agent.Spec.Connection, v1alpha1.Dial), acceptedBy(c.agent))
	return result{text: text}, nil
}

// acceptedBy says how the hub knows the agent's key.
func acceptedBy(agent *v1alpha1.ClusterAgent) string {
	spec := agent.Spec
	switch {
	case len(spec.TLS.PinnedSHA256) > 0:
		return "spec.tls.pinnedSHA256"
	case len(agent.Status.Identity.Keys) > 0:
		return "enrolment with a " + string(agent.Status.Identity.Keys[0].By)
	case spec.Join != nil:
		return fmt.Sprintf("a join token, which has not been used and expires at %s", spec.Join.ExpiresAt.Format(time.RFC3339))
	case spec.Identity.ServiceAccount != nil:
		return "a service account, which has not been used yet"
	case len(spec.TLS.CABundle) > 0:
		return "spec.tls.caBundle"
	}
	return "the authorities that the master trusts"
}

// acceptedPins returns the fingerprints of the keys that the hub accepts, or nil if it verifies certificates otherwise.
func acceptedPins(agent *v1alpha1.ClusterAgent) []string {
	if pins := agent.Spec.TLS.PinnedSHA256; len(pins) > 0 {
		return pins
	}
	var enrolled []string
	for _, key := range agent.Status.Identity.Keys {
		enrolled = append(enrolled, key.SHA256)
	}
	return enrolled
}

func (c *checking) checkMember(ctx context.Context) (result, error) {
	version, err := c.Member.version()
	if err != nil {
		return result{}, err
	}
	uid, err := c.Member.uid(ctx)
	if err != nil {
		return result{}, err
	}
	if registered := cmp.Or(c.agent.Spec.ClusterUID, c.agent.Status.ClusterUID); registered != "" && registered != uid {
		return result{}, &Fault{fmt.Sprintf("the cluster of the context %s has the UID %s, and %s is registered for %s", c.Member.Context, uid, c.Name, registered), "set --context to the context of " + c.Name}
	}
	installed, err := c.Member.configMap(ctx, Namespace, agentNameMap)
	if err != nil {
		return result{}, err
	}
	if other := installed[agentNameKey]; other != "" && other != c.Name {
		return result{}, &Fault{fmt.Sprintf("the agent in this cluster has the name %s, not %s", other, c.Name), "set --context to the context of " + c.Name}
	}
	text := fmt.Sprintf("%s, Kubernetes %s, UID %s", c.Member.Host, version, uid)
	if skew, known := c.Member.skew(c.Hub); known {
		text += ", clocks " + skewText(skew)
	}
	return result{text: text}, nil
}

func (c *checking) checkMetrics(context.Context) (result, error) { return checkMetrics(c.Member), nil }

func (c *checking) checkAgent(ctx context.Context) (result, error) {
	pod, err := c.Member.agentPod(ctx)
	if err != nil {
		return result{}, err
	}
	if !podReady(pod) {
		text, _ := podState(pod)
		return result{}, &Fault{text + c.Member.logTail(ctx, pod), "repair it by: kubectl rollcall join " + c.Name}
	}
	text := fmt.Sprintf("pod %s is ready, image %s", pod.Name, pod.Spec.Containers[0].Image)
	if restarts := restarts(pod); restarts > 0 {
		return result{text: text, warnings: []string{fmt.Sprintf("its container was restarted %d times; the last end: %s", restarts, lastEnd(pod))}}, nil
	}
	return result{text: text}, nil
}

func restarts(pod *corev1.Pod) (sum int32) {
	for _, status := range pod.Status.ContainerStatuses {
		sum += status.RestartCount
	}
	return sum
}

// lastEnd describes why the container of a pod ended last.
func lastEnd(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		if last := status.LastTerminationState.Terminated; last != nil {
			return fmt.Sprintf("%s, exit code %d, at %s", last.Reason, last.ExitCode, last.FinishedAt.Format(time.RFC3339))
		}
	}
	return "unknown"
}

// checkKeys compares what agent and hub know of each other's keys.
func (c *checking) checkKeys(ctx context.Context) (result, error) {
	published, err := c.Member.configMap(ctx, Namespace, agentPinMap)
	if err != nil {
		return result{}, err
	}
	repair := "repair it by: kubectl rollcall join " + c.Name
	if pin, accepted := published["pin"], acceptedPins(c.agent); len(accepted) > 0 && !slices.Contains(accepted, pin) {
		return result{}, &Fault{fmt.Sprintf("the hub does not accept the agent's key %s; it accepts %s", cmp.Or(pin, "(none published)"), strings.Join(accepted, ", ")), repair}
	}
	settings, err := c.Member.configMap(ctx, Namespace, hubMap)
	if err != nil {
		return result{}, err
	}
	switch {
	case settings == nil:
		return resultf("the hub accepts the agent's key; the agent was not installed by `kubectl rollcall join`, so its keys of the hub are not compared")
	case settings[publicKeyFile] != c.facts.signingKeys:
		return result{}, &Fault{"the agent has another signing key of the hub than the hub publishes", repair}
	case settings[caFile] != "" && settings[caFile] != c.facts.ca:
		return result{text: "the hub accepts the agent's key", warnings: []string{"the hub has published another CA since the cluster joined: " + repair}}, nil
	}
	return resultf("the hub accepts the agent's key, and the agent has the hub's signing key and CA")
}

func (c *checking) checkLink(ctx context.Context) (result, error) {
	condition := v1alpha1.ConditionReady
	if c.agent.Spec.Connection == v1alpha1.Reverse {
		condition = v1alpha1.ConditionLinked
	}
	current := meta.FindStatusCondition(c.agent.Status.Conditions, condition)
	if current == nil || current.Status != metav1.ConditionTrue {
		fault := &Fault{conditionText(c.agent, condition), "remove the cause"}
		if warning := c.hub.lastWarning(ctx, c.Name, time.Now().Add(-warningsSince)); warning != "" {
			fault.Cause += "\nthe hub says: " + warning
		}
		if c.Member == nil {
			fault.Remedy = "set --context to check the agent too"
		} else if logged := c.Member.lastLogError(ctx); logged != "" {
			fault.Cause += "\nthe agent says: " + logged
		}
		return result{}, fault
	}
	text := fmt.Sprintf("%s since %s", condition, current.LastTransitionTime.Format(time.RFC3339))
	if link := c.agent.Status.Link; link.RoundTrip != "" {
		text += fmt.Sprintf(", from %s, round trip %s", link.Address, link.RoundTrip)
	}
	return result{text: text}, nil
}

func (c *checking) checkAnswer(ctx context.Context) (result, error) {
	return askOrAwaitReady(ctx, &c.hub, c.Name, c.Ask, dialTimeout)
}
