package join

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	agentSelector = "app.kubernetes.io/name=" + agentName
	// maxLog limits what is read of the agent's log, in bytes.
	maxLog = 64 << 10
	// replaceTime is for how long the pod of an earlier Deployment may still be there.
	replaceTime = 3 * time.Second
)

// agentPod returns the newest pod of the agent, or nil if there is none.
func (c *Cluster) agentPod(ctx context.Context) (*corev1.Pod, error) {
	pods, err := c.Client.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: agentSelector})
	if err != nil {
		return nil, c.explain("read the agent's pod", err)
	}
	pods.Items = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
	if len(pods.Items) == 0 {
		return nil, nil
	}
	newest := slices.MaxFunc(pods.Items, func(a, b corev1.Pod) int { return a.CreationTimestamp.Compare(b.CreationTimestamp.Time) })
	return &newest, nil
}

// podState describes what a pod waits for. failed is set if waiting longer will not help.
func podState(pod *corev1.Pod) (text string, failed bool) {
	if pod == nil {
		return "there is no pod yet: `kubectl -n " + Namespace + " describe deployment,replicaset` has the cause if this lasts", false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return "the pod cannot be scheduled: " + condition.Message, false
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		switch waiting := status.State.Waiting; {
		case waiting == nil:
		case slices.Contains([]string{"ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}, waiting.Reason):
			return fmt.Sprintf("the image %s cannot be pulled: %s", status.Image, waiting.Message), true
		case waiting.Reason == "CrashLoopBackOff":
			return "the agent ends again and again", true
		default:
			return strings.TrimSuffix(fmt.Sprintf("the container waits: %s: %s", waiting.Reason, waiting.Message), ": "), false
		}
	}
	return "the pod is " + string(pod.Status.Phase) + ", but not ready", false
}

func podReady(pod *corev1.Pod) bool {
	return pod != nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// podRuns reports whether a pod is ready and has the Deployment's current template.
func podRuns(ctx context.Context, c *Cluster, pod *corev1.Pod) (bool, error) {
	deployment, err := c.Client.AppsV1().Deployments(Namespace).Get(ctx, agentName, metav1.GetOptions{})
	if err != nil {
		return false, c.explain("read the agent's Deployment", err)
	}
	status := deployment.Status
	return podReady(pod) && status.ObservedGeneration >= deployment.Generation && status.UpdatedReplicas == 1 && status.Replicas == 1, nil
}

// awaitAgent waits until done returns true for the agent's pod, and returns the pod. It fails early if the pod cannot
// start.
func (c *Cluster) awaitAgent(ctx context.Context, done func(context.Context, *Cluster, *corev1.Pod) (bool, error)) (*corev1.Pod, error) {
	var pod *corev1.Pod
	last, began := "nothing was observed", time.Now()
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		found, err := c.agentPod(ctx)
		if err != nil {
			return false, err
		}
		pod = found
		if ok, err := done(ctx, c, pod); ok || err != nil {
			return ok, err
		}
		text, failed := podState(pod)
		last = text
		if failed && time.Since(began) > replaceTime {
			return false, &Fault{"the agent does not start: " + text + c.logTail(ctx, pod), podRemedy(text)}
		}
		return false, nil
	})
	if err != nil && ctx.Err() != nil {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		err = &Fault{"the agent is not ready in time: " + last + c.logTail(cleanup, pod), "remove the cause, or set a longer --wait, and run the command again"}
	}
	return pod, err
}

func podRemedy(state string) string {
	if strings.HasPrefix(state, "the image") {
		return "set --image-registry to a registry that has the image, and --image-pull-secret to the name of a Secret in " + Namespace + " if it needs credentials"
	}
	return "remove the cause, and run the command again"
}

// logTail returns the last lines of the agent's log, or "".
func (c *Cluster) logTail(ctx context.Context, pod *corev1.Pod) string {
	if pod == nil {
		return ""
	}
	text, err := c.log(ctx, pod, 5)
	if err != nil || text == "" {
		return ""
	}
	return "\nits log: " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n         ")
}

// log returns the last lines of the log of a pod.
func (c *Cluster) log(ctx context.Context, pod *corev1.Pod, lines int64) (string, error) {
	stream, err := c.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: new(int64(maxLog))}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	text, err := io.ReadAll(io.LimitReader(stream, maxLog))
	return string(text), err
}

var logError = regexp.MustCompile(`level=(?:WARN|ERROR) msg=.*? error=("(?:[^"\\]|\\.)*"|\S+)`)

// lastLogError returns the error in the last warning of the agent's log, or "".
func (c *Cluster) lastLogError(ctx context.Context) string {
	pod, err := c.agentPod(ctx)
	if err != nil || pod == nil {
		return ""
	}
	text, err := c.log(ctx, pod, 50)
	if err != nil {
		return ""
	}
	found := logError.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		return ""
	}
	return unquote(found[len(found)-1][1])
}

// unquote returns the value of an attribute in a log line.
func unquote(value string) string {
	if plain, err := strconv.Unquote(value); err == nil {
		return plain
	}
	return value
}
