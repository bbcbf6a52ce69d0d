package realnode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/api/state"
)

// maxText is the length to which facts cut messages.
const maxText = 256

// compareWith returns an error unless the agent's facts about a pod match what the API server stores and prints of it,
// which is what `kubectl get pod` and `kubectl describe pod` show. printed is as in [recording.Change]; it is not
// compared if it is empty.
func (a *agent) compareWith(pod *corev1.Pod, printed string) error {
	now := a.current()
	known := first(now.Pods(), func(p *state.Pod) bool { return p.Namespace == pod.Namespace && p.Name == pod.Name })
	if known == nil {
		return fmt.Errorf("the agent has no pod %s", pod.Name)
	}
	var errs []error
	compare := func(what, got, want string) {
		if got != want {
			errs = append(errs, fmt.Errorf("%s of pod %s:\ngot  %s\nwant %s", what, pod.Name, got, want))
		}
	}
	compare("facts", describeFacts(known), describePod(pod))
	if printed != "" {
		compare("READY, STATUS and RESTARTS", fmt.Sprintf("%s %s %d", known.Ready, known.Status, known.Restarts), printed)
	}
	containers := map[string]*state.Container{}
	for c := range now.Containers() {
		if c.Namespace == pod.Namespace && c.Pod == pod.Name {
			containers[c.Name] = c
		}
	}
	statuses := allContainers(pod)
	if got, want := len(containers), len(pod.Spec.InitContainers)+len(pod.Spec.Containers)+len(pod.Spec.EphemeralContainers); got != want {
		errs = append(errs, fmt.Errorf("pod %s: got %d containers, want %d", pod.Name, got, want))
	}
	for _, status := range statuses {
		c := containers[status.Name]
		if c == nil {
			errs = append(errs, fmt.Errorf("the agent has no container %s of pod %s", status.Name, pod.Name))
			continue
		}
		compare("container "+status.Name, describeContainerFacts(c), describeContainer(pod, status))
	}
	return errors.Join(errs...)
}

// describeFacts returns the facts of a pod as text.
func describeFacts(p *state.Pod) string {
	return fmt.Sprintf("phase=%s node=%s ips=%v hostIP=%s hostNetwork=%v qos=%s terminating=%v deletion=%s started=%s",
		p.Phase, p.Node, p.PodIPs, p.HostIP, p.HostNetwork, p.QOSClass, p.Terminating, timeText(p.DeletionAt), timeText(p.StartedAt))
}

// describePod is like describeFacts, for a pod of the API.
func describePod(p *corev1.Pod) string {
	ips := []string{}
	for _, ip := range p.Status.PodIPs {
		ips = append(ips, ip.IP)
	}
	return fmt.Sprintf("phase=%s node=%s ips=%v hostIP=%s hostNetwork=%v qos=%s terminating=%v deletion=%s started=%s",
		p.Status.Phase, p.Spec.NodeName, ips, p.Status.HostIP, p.Spec.HostNetwork, p.Status.QOSClass,
		p.DeletionTimestamp != nil, timeOf(p.DeletionTimestamp), timeOf(p.Status.StartTime))
}

// describeContainerFacts returns the facts of a container as text.
func describeContainerFacts(c *state.Container) string {
	var lines []string
	exit := ""
	if c.State == state.Terminated {
		exit = fmt.Sprint(c.ExitCode)
	}
	image := c.Image
	if c.StatusImage != "" {
		image = c.StatusImage
	}
	lines = append(lines,
		fmt.Sprintf("%s %s exit=%s message=%q started=%s finished=%s", c.State, c.Reason, exit, c.Message, timeText(c.StartedAt), timeText(c.FinishedAt)),
		fmt.Sprintf("kind=%s ready=%v restarts=%d image=%s id=%s", c.Kind, c.Ready, c.Restarts, image, c.ImageID))
	if c.Last != nil {
		lines = append(lines, fmt.Sprintf("last %s exit=%d finished=%s", c.Last.Reason, c.Last.ExitCode, timeText(c.Last.FinishedAt)))
	}
	return strings.Join(lines, "; ")
}

// describeContainer is like describeContainerFacts, for a status of the API.
func describeContainer(pod *corev1.Pod, s corev1.ContainerStatus) string {
	name, reason, exit, message, started, finished := "waiting", "", "", "", "", ""
	switch {
	case s.State.Running != nil:
		name, started = "running", timeOf(&s.State.Running.StartedAt)
	case s.State.Terminated != nil:
		t := s.State.Terminated
		name, reason, exit, message = "terminated", t.Reason, fmt.Sprint(t.ExitCode), t.Message
		started, finished = timeOf(&t.StartedAt), timeOf(&t.FinishedAt)
	case s.State.Waiting != nil:
		reason, message = s.State.Waiting.Reason, s.State.Waiting.Message
	}
	lines := []string{
		fmt.Sprintf("%s %s exit=%s message=%q started=%s finished=%s", name, reason, exit, message[:min(maxText, len(message))], started, finished),
		fmt.Sprintf("kind=%s ready=%v restarts=%d image=%s id=%s", kindOf(pod, s.Name), s.Ready, s.RestartCount, s.Image, s.ImageID),
	}
	if last := s.LastTerminationState.Terminated; last != nil {
		lines = append(lines, fmt.Sprintf("last %s exit=%d finished=%s", last.Reason, last.ExitCode, timeOf(&last.FinishedAt)))
	}
	return strings.Join(lines, "; ")
}

// kindOf returns the kind of one of a pod's containers.
func kindOf(pod *corev1.Pod, name string) state.ContainerKind {
	if slices.ContainsFunc(pod.Spec.EphemeralContainers, func(c corev1.EphemeralContainer) bool { return c.Name == name }) {
		return state.Ephemeral
	}
	for _, c := range pod.Spec.InitContainers {
		if c.Name == name && c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			return state.Sidecar
		}
		if c.Name == name {
			return state.Init
		}
	}
	return state.Main
}

// allContainers returns the statuses of all kinds of containers.
func allContainers(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses)
}

// timeText returns a time of the facts as text, or "" if it is zero.
func timeText(at state.Time) string {
	if at == 0 {
		return ""
	}
	return at.Time().UTC().Format("15:04:05")
}

// timeOf returns a time of the API as text, or "" if it is not set, as for a container that could not be started.
func timeOf(at *metav1.Time) string {
	if at.IsZero() || at.Unix() == 0 {
		return ""
	}
	return at.UTC().Format("15:04:05")
}
