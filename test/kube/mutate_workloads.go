package kube

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// maxScale limits scale, which sets fewer replicas than this.
const maxScale = 8

// scale changes a Deployment's replicas.
func (m *mutator) scale(ctx context.Context) error {
	return m.patchDeployment(ctx, func(*appsv1.Deployment) string {
		return fmt.Sprintf(`{"spec":{"replicas":%d}}`, m.random.IntN(maxScale))
	})
}

// changeImage changes the image of a Deployment.
func (m *mutator) changeImage(ctx context.Context) error {
	return m.patchFirstContainer(ctx, fmt.Sprintf(`"image":"registry.example/changed:%d"`, m.random.IntN(1000)))
}

// changeRequests changes the CPU request of a Deployment.
func (m *mutator) changeRequests(ctx context.Context) error {
	return m.patchFirstContainer(ctx, fmt.Sprintf(`"resources":{"requests":{"cpu":"%dm"}}`, 10+m.random.IntN(90)))
}

// patchFirstContainer patches the first container of a Deployment; change is JSON fields of the container.
func (m *mutator) patchFirstContainer(ctx context.Context, change string) error {
	return m.patchDeployment(ctx, func(d *appsv1.Deployment) string {
		name := d.Spec.Template.Spec.Containers[0].Name
		return fmt.Sprintf(`{"spec":{"template":{"spec":{"containers":[{"name":%q,%s}]}}}}`, name, change)
	})
}

// patchDeployment patches a random Deployment of the scenario.
func (m *mutator) patchDeployment(ctx context.Context, patch func(*appsv1.Deployment) string) error {
	list, err := m.client.AppsV1().Deployments("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	d, err := pick(m, list.Items, func(d *appsv1.Deployment) bool { return populated(d.Namespace) })
	if err != nil {
		return err
	}
	_, err = m.client.AppsV1().Deployments(d.Namespace).
		Patch(ctx, d.Name, types.StrategicMergePatchType, []byte(patch(d)), metav1.PatchOptions{})
	return err
}

// deletePod deletes a pod that its controller replaces.
func (m *mutator) deletePod(ctx context.Context) error {
	pod, err := m.pickPod(ctx, func(pod *corev1.Pod) bool { return metav1.GetControllerOf(pod) != nil })
	if err != nil {
		return err
	}
	return m.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{})
}

// addPod creates a pod with a host port.
func (m *mutator) addPod(ctx context.Context) error {
	port := corev1.ContainerPort{ContainerPort: 80, HostPort: int32(20000 + m.random.IntN(1000))}
	name := fmt.Sprintf("added-%d-%d", m.count, m.random.IntN(1000))
	_, err := m.client.CoreV1().Pods(NamespaceOdd).Create(ctx, onFirstNode(name, port), metav1.CreateOptions{})
	return err
}

// flipPodReady writes the status that a kubelet writes when a readiness probe fails or succeeds again.
func (m *mutator) flipPodReady(ctx context.Context) error {
	return m.updateRunningPod(ctx, func(pod *corev1.Pod) {
		first := &pod.Status.ContainerStatuses[0]
		first.Ready = !first.Ready
		ready := corev1.ConditionTrue
		if slices.ContainsFunc(pod.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return !s.Ready }) {
			ready = corev1.ConditionFalse
		}
		for i := range pod.Status.Conditions {
			condition := &pod.Status.Conditions[i]
			if condition.Type == corev1.PodReady || condition.Type == corev1.ContainersReady {
				condition.Status, condition.LastTransitionTime = ready, metav1.Now()
			}
		}
	})
}

// restartContainer writes the status that a kubelet writes when a container has been restarted.
func (m *mutator) restartContainer(ctx context.Context) error {
	return m.updateRunningPod(ctx, func(pod *corev1.Pod) {
		first, now := &pod.Status.ContainerStatuses[0], metav1.Now()
		first.RestartCount++
		first.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 2, Reason: "Error", StartedAt: now, FinishedAt: now,
		}}
		first.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	})
}

// updateRunningPod changes the status of a random running pod.
func (m *mutator) updateRunningPod(ctx context.Context, change func(*corev1.Pod)) error {
	pod, err := m.pickPod(ctx, func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodRunning && len(pod.Status.ContainerStatuses) > 0
	})
	if err != nil {
		return err
	}
	change(pod)
	_, err = m.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	return err
}

// pickPod returns a random pod for which fits returns true. It chooses a namespace first, since listing all pods of a
// large cluster for each change would take most of the time.
func (m *mutator) pickPod(ctx context.Context, fits func(*corev1.Pod) bool) (*corev1.Pod, error) {
	namespaces, err := m.client.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	namespace, err := pick(m, namespaces.Items, func(n *corev1.Namespace) bool { return populated(n.Name) })
	if err != nil {
		return nil, err
	}
	list, err := m.client.CoreV1().Pods(namespace.Name).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return pick(m, list.Items, func(pod *corev1.Pod) bool { return pod.DeletionTimestamp == nil && fits(pod) })
}
