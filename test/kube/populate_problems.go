package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// createOwned creates objects whose owner must exist first: the mirror of a static pod, owned by
// its node, and a Job of a CronJob.
func (c *Cluster) createOwned(ctx context.Context) error {
	node, err := c.client.CoreV1().Nodes().Get(ctx, NodeName(0), metav1.GetOptions{})
	if err != nil {
		return err
	}
	cron, err := c.client.BatchV1().CronJobs(NamespaceBatch).Get(ctx, "nightly", metav1.GetOptions{})
	if err != nil {
		return err
	}
	nightly := job("nightly-29384")
	nightly.OwnerReferences = []metav1.OwnerReference{owner("batch/v1", "CronJob", cron)}
	return c.create(ctx, []any{nightly, mirror(node)})
}

// mirror returns the mirror pod that a kubelet creates for a static pod.
func mirror(node *corev1.Node) *corev1.Pod {
	pod := bare(metav1.NamespaceSystem, "kube-proxy-"+node.Name, []corev1.Container{
		container("kube-proxy", "registry.k8s.io/kube-proxy:v1.36.3", "100m", "", port("healthz", 10256)),
	}, withSpec(func(s *corev1.PodSpec) { s.NodeName, s.HostNetwork = node.Name, true }))
	pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "0b6f2e3d", "kubernetes.io/config.source": "file"}
	pod.OwnerReferences = []metav1.OwnerReference{owner("v1", "Node", node)}
	return pod
}

// owner returns an owner reference to a controller.
func owner(version, kind string, object metav1.Object) metav1.OwnerReference {
	return metav1.OwnerReference{
		APIVersion: version, Kind: kind, Name: object.GetName(), UID: object.GetUID(), Controller: new(true),
	}
}

// addProblems makes the changes to a running cluster that cannot be part of objects at their creation.
func (c *Cluster) addProblems(ctx context.Context) error {
	steps := []func(context.Context) error{
		func(ctx context.Context) error { return c.Cordon(ctx, NodeName(cordonedNode), true) },
		func(ctx context.Context) error { return c.SetNodeReady(ctx, NodeName(notReadyNode), false) },
		func(ctx context.Context) error {
			return c.client.CoreV1().Pods(NamespaceOdd).Delete(ctx, "held", metav1.DeleteOptions{})
		},
		c.resizePods,
		c.debugPod,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resizePods changes the resources of two running pods in place. For one the status shows that the kubelet has applied
// them; for the other it still shows the old resources.
func (c *Cluster) resizePods(ctx context.Context) error {
	const wanted, before = `{"cpu":"400m","memory":"256Mi"}`, `{"cpu":"100m","memory":"128Mi"}`
	for name, actual := range map[string]string{"resized": wanted, "resizing": before} {
		resize := fmt.Sprintf(`{"spec":{"containers":[{"name":"main","resources":{"requests":%s}}]}}`, wanted)
		if err := c.patchPod(ctx, types.StrategicMergePatchType, name, resize, "resize"); err != nil {
			return err
		}
		status := fmt.Sprintf(`[
			{"op":"add","path":"/status/containerStatuses/0/allocatedResources","value":%s},
			{"op":"add","path":"/status/containerStatuses/0/resources","value":{"requests":%s}}]`, actual, actual)
		if err := c.patchPod(ctx, types.JSONPatchType, name, status, "status"); err != nil {
			return err
		}
	}
	return nil
}

// debugPod adds an ephemeral container, as `kubectl debug` does, and reports it as running.
func (c *Cluster) debugPod(ctx context.Context) error {
	attach := `{"spec":{"ephemeralContainers":[
		{"name":"debugger","image":"registry.example/busybox:1","targetContainerName":"main"}]}}`
	if err := c.patchPod(ctx, types.StrategicMergePatchType, "debugged", attach, "ephemeralcontainers"); err != nil {
		return err
	}
	status := `{"status":{"ephemeralContainerStatuses":[{"name":"debugger","image":"registry.example/busybox:1","imageID":"",
		"ready":false,"restartCount":0,"state":{"running":{"startedAt":"2026-01-01T00:00:00Z"}}}]}}`
	return c.patchPod(ctx, types.MergePatchType, "debugged", status, "status")
}

// patchPod patches a subresource of a pod in NamespaceOdd.
func (c *Cluster) patchPod(ctx context.Context, kind types.PatchType, name, patch, subresource string) error {
	_, err := c.client.CoreV1().Pods(NamespaceOdd).Patch(ctx, name, kind, []byte(patch), metav1.PatchOptions{}, subresource)
	if err != nil {
		return fmt.Errorf("change %s of pod %s/%s: %w", subresource, NamespaceOdd, name, err)
	}
	return nil
}
