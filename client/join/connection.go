package join

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// endpoint returns the URL at which the masters dial the agent: the given one, or that of the Service.
func (j *joining) endpoint(ctx context.Context) (string, error) {
	if j.Endpoint != "" {
		return j.Endpoint, nil
	}
	if j.DryRun != DryRunNone {
		return "wss://not-known-yet.invalid:" + strconv.Itoa(agentPort), nil
	}
	host, port := "", int32(0)
	waiting, cancel := context.WithTimeout(ctx, j.Wait)
	defer cancel()
	err := poll(waiting, func(ctx context.Context) (bool, error) {
		service, err := j.Member.Client.CoreV1().Services(Namespace).Get(ctx, agentName, metav1.GetOptions{})
		if err != nil {
			return false, j.Member.explain("read the agent's Service", err)
		}
		switch j.Expose {
		case corev1.ServiceTypeLoadBalancer:
			host, port = balancerHost(service), servicePort(service, "report").Port
		default:
			port = servicePort(service, "report").NodePort
			host, err = j.Member.nodeAddress(ctx)
		}
		return host != "" && port != 0, err
	})
	if err != nil && waiting.Err() != nil {
		return "", &Fault{
			fmt.Sprintf("the Service %s/%s of type %s has no address yet", Namespace, agentName, j.Expose),
			"check that the cluster has load balancers, set a longer --wait, or set --endpoint to an address at which the hub reaches the agent",
		}
	}
	return "wss://" + net.JoinHostPort(host, strconv.Itoa(int(port))), err
}

// awaitConnection waits until the agent is linked to a master, or a master has reached the agent.
func (j *joining) awaitConnection(ctx context.Context) (result, error) {
	if j.DryRun != DryRunNone {
		return result{}, nil
	}
	condition, timeout := v1alpha1.ConditionLinked, j.Wait
	if !j.reverse() {
		condition, timeout = v1alpha1.ConditionReady, min(j.Wait, dialTimeout)
	}
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	agent, err := j.hub.awaitCondition(waiting, j.Name, condition)
	if err == nil && j.reverse() {
		err = poll(waiting, j.agentIsLinked)
	}
	if err != nil && waiting.Err() != nil {
		return result{}, j.notConnected(ctx, agent, condition, timeout)
	}
	if err != nil {
		return result{}, err
	}
	text := fmt.Sprintf("up after %s", seconds(time.Since(began)))
	if link := agent.Status.Link; link.RoundTrip != "" {
		text += fmt.Sprintf(", from %s, round trip %s", link.Address, link.RoundTrip)
	}
	if masters := j.hub.readyMasters(ctx); j.reverse() && masters > 0 { // an agent keeps one link
		text += fmt.Sprintf(", to one master (%d ready)", masters)
	}
	if skew, known := j.Member.skew(j.Hub); known {
		text += ", clocks " + skewText(skew)
	}
	return result{text: text}, nil
}

// skewText describes the difference of two clocks, which is measured to about a second.
func skewText(skew time.Duration) string {
	if skew.Abs() < 2*time.Second {
		return "agree within 2 s"
	}
	return "differ by " + skew.Abs().Round(time.Second).String()
}

// notConnected returns why an agent is not connected: what the master has refused, what the agent logs, or the
// condition.
func (j *joining) notConnected(ctx context.Context, agent *v1alpha1.ClusterAgent, condition string, timeout time.Duration) error {
	var causes []string
	if warning := j.hub.lastWarning(ctx, j.Name, j.began); warning != "" {
		causes = append(causes, "the hub says: "+warning)
	}
	if j.reverse() {
		if logged := j.Member.lastLogError(ctx); logged != "" {
			causes = append(causes, "the agent says: "+logged)
		}
	}
	if len(causes) == 0 {
		causes = append(causes, conditionText(agent, condition))
	}
	remedy := "make the agent reachable at the endpoint, or join without --endpoint and --expose, so that the agent dials the hub"
	if j.reverse() {
		remedy = "check that the cluster reaches " + j.facts.address + ", and set --hub-address, --hub-server-name or --proxy-url otherwise"
	}
	return &Fault{fmt.Sprintf("no connection within %s\n%s", timeout, strings.Join(causes, "\n")), remedy}
}

// awaitAnswer asks the masters for the cluster.
func (j *joining) awaitAnswer(ctx context.Context) (result, error) {
	if j.DryRun != DryRunNone {
		return result{}, nil
	}
	return askOrAwaitReady(ctx, &j.hub, j.Name, j.Ask, j.Wait)
}

// askOrAwaitReady asks the masters for a cluster, or waits until they have reached it if they cannot be asked from here.
func askOrAwaitReady(ctx context.Context, h *hub, name string, ask func(context.Context, string) (Answer, error), wait time.Duration) (result, error) {
	var warnings []string
	if ask != nil {
		began := time.Now()
		answer, err := ask(ctx, name)
		if err == nil {
			found := result{text: fmt.Sprintf("%s, %s, %s in %s", plural(answer.Nodes, "node"), plural(answer.Pods, "pod"), size(answer.Bytes), seconds(time.Since(began)))}
			if answer.Stale {
				found.warnings = append(found.warnings, "the answer is from before: the masters get no newer one")
			}
			return found, nil
		}
		warnings = append(warnings, fmt.Sprintf("the masters could not be asked from here: %v", err))
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	agent, err := h.awaitCondition(waiting, name, v1alpha1.ConditionReady)
	if err != nil && waiting.Err() != nil {
		return result{}, &Fault{"the masters get no answer of the cluster: " + conditionText(agent, v1alpha1.ConditionReady), "remove the cause, and run the command again"}
	}
	if err != nil {
		return result{}, err
	}
	return result{text: meta.FindStatusCondition(agent.Status.Conditions, v1alpha1.ConditionReady).Message, warnings: warnings}, nil
}

func size(bytes int) string {
	if bytes < 10<<10 {
		return fmt.Sprintf("%.1f KiB", float64(bytes)/(1<<10))
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
