package oracle

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"rollcall.dev/rollcall/test/kube"
)

const (
	// oddNamespace is a namespace that kube.Mutate does not change.
	oddNamespace = metav1.NamespaceDefault
	randomPods   = 150
	writers      = 16
)

// oddPod is a pod with a status in place of a kubelet's, for a branch of the API
// server's printPod (k8s.io/kubernetes/pkg/printers/internalversion/printers.go).
type oddPod struct {
	name string
	// inits, including sidecars, and mains are the names of containers. The name of a sidecar
	// starts with sidecar.
	inits, mains []string
	gated        bool
	restarts     corev1.RestartPolicy
	// priority is a priority class.
	priority string
	status   corev1.PodStatus
	deleted  bool
	// want has STATUS, READY and RESTARTS, to check that the pod is in the state that its
	// name describes. Empty values are not checked.
	want [3]string
}

// writeOddPods creates all odd pods, on nodes that kwok does not manage.
func writeOddPods(ctx context.Context, client kubernetes.Interface) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(writers)
	for i, p := range append(oddPods(), randomOddPods(randomPods, 1)...) {
		g.Go(func() error {
			if err := p.create(ctx, client, kube.NodeName(i%2)); err != nil {
				return fmt.Errorf("write pod %s: %w", p.name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// create creates the pod and writes its status.
func (p *oddPod) create(ctx context.Context, client kubernetes.Interface, node string) error {
	pods := client.CoreV1().Pods(oddNamespace)
	created, err := pods.Create(ctx, p.spec(node), metav1.CreateOptions{})
	if err != nil || p.gated {
		return err
	}
	qosClass := created.Status.QOSClass
	created.Status = p.status
	created.Status.QOSClass = qosClass
	if _, err := pods.UpdateStatus(ctx, created, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if p.deleted {
		return pods.Delete(ctx, p.name, metav1.DeleteOptions{})
	}
	return nil
}

// spec returns the pod without its status. Its label keeps kwok from changing it.
func (p *oddPod) spec(node string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: p.name, Labels: map[string]string{kube.BehaviorLabel: kube.BehaviorCreating}},
		Spec:       corev1.PodSpec{NodeName: node, RestartPolicy: p.restarts, PriorityClassName: p.priority},
	}
	if p.gated {
		pod.Spec.NodeName, pod.Spec.SchedulingGates = "", []corev1.PodSchedulingGate{{Name: "kube.test/gate"}}
	}
	if p.deleted {
		pod.Finalizers = []string{"kube.test/hold"}
	}
	for _, name := range p.inits {
		c := corev1.Container{Name: name, Image: "registry.example/init:1"}
		if isSidecar(name) {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
	for _, name := range p.mains {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: name, Image: "registry.example/app:1"})
	}
	return pod
}

// isSidecar reports whether a container is a sidecar, by its name.
func isSidecar(name string) bool { return len(name) >= 7 && name[:7] == "sidecar" }

// containerOption changes a container status.
type containerOption func(*corev1.ContainerStatus)

// running returns the status of a running container that is ready.
func running(name string, options ...containerOption) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: name, Ready: true, Started: new(true), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(time.Hour)}}}
	return with(s, options)
}

// waiting returns the status of a waiting container.
func waiting(name, reason string, options ...containerOption) corev1.ContainerStatus {
	return with(corev1.ContainerStatus{Name: name, Started: new(false), State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}, options)
}

// ended returns the status of a terminated container.
func ended(name string, exitCode, signal int32, reason string, options ...containerOption) corev1.ContainerStatus {
	s := corev1.ContainerStatus{Name: name, Started: new(false), State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: exitCode, Signal: signal, Reason: reason, StartedAt: ago(time.Hour), FinishedAt: ago(30 * time.Minute),
	}}}
	return with(s, options)
}

// with sets the image and applies the options.
func with(s corev1.ContainerStatus, options []containerOption) corev1.ContainerStatus {
	s.Image = "registry.example/app:1"
	for _, set := range options {
		set(&s)
	}
	return s
}

// unready makes a container not ready.
func unready(s *corev1.ContainerStatus) { s.Ready = false }

// starting makes a container not ready and not started.
func starting(s *corev1.ContainerStatus) { s.Ready, s.Started = false, new(false) }

// restarted sets the number of restarts, and the last termination to some time ago.
func restarted(times int32, since time.Duration) containerOption {
	return func(s *corev1.ContainerStatus) {
		s.RestartCount = times
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: ago(since + time.Minute), FinishedAt: ago(since)}
	}
}

// restartedWithoutRecord sets the number of restarts without a last termination.
func restartedWithoutRecord(times int32) containerOption {
	return func(s *corev1.ContainerStatus) { s.RestartCount = times }
}

// ago returns the time d ago, in whole seconds.
func ago(d time.Duration) metav1.Time {
	return metav1.NewTime(time.Now().Add(-d).Truncate(time.Second))
}

// containers returns its arguments.
func containers(statuses ...corev1.ContainerStatus) []corev1.ContainerStatus { return statuses }

// conditions returns conditions with the status True, or False for types with a leading
// exclamation mark.
func conditions(types ...string) []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, kind := range types {
		c := corev1.PodCondition{Type: corev1.PodConditionType(kind), Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Hour)}
		if kind[0] == '!' {
			c.Type, c.Status, c.Reason = corev1.PodConditionType(kind[1:]), corev1.ConditionFalse, "Because"
		}
		all = append(all, c)
	}
	return all
}

func TestOddPodsAreInTheStateOfTheirName(t *testing.T) {
	table, err := podColumns(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range oddPods() {
		cells := table[oddNamespace+"/"+p.name]
		got := [3]string{cells[1], cells[0], cells[2]}
		for i, want := range p.want {
			if want != "" && got[i] != want {
				t.Errorf("pod %s: got STATUS, READY and RESTARTS %q, want %q", p.name, got, p.want)
				break
			}
		}
	}
}
