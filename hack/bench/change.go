package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// toggleReadiness writes the opposite readiness of the pod's first container to the pod's status, as a kubelet would.
// It returns the container's key.
func toggleReadiness(ctx context.Context, c *kube.Cluster, pod *corev1.Pod) (state.Key, error) {
	status := &pod.Status.ContainerStatuses[0]
	status.Ready = !status.Ready
	ready := corev1.ConditionFalse
	if status.Ready {
		ready = corev1.ConditionTrue
	}
	for i := range pod.Status.Conditions {
		if k := &pod.Status.Conditions[i]; k.Type == corev1.PodReady || k.Type == corev1.ContainersReady {
			k.Status, k.LastTransitionTime = ready, metav1.Now()
		}
	}
	pod.ResourceVersion = "" // overwrites concurrent writes
	if _, err := c.Client().CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
		return state.Key{}, fmt.Errorf("change pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return containerKey(pod, status.Name), nil
}

// containerKey returns the key of one container of a pod.
func containerKey(pod *corev1.Pod, container string) state.Key {
	return state.Key{Kind: state.KindContainer, Namespace: pod.Namespace, Name: pod.Name, Sub: container}
}

// shuffled returns the pods in a random order that is the same in every run.
func shuffled(pods []corev1.Pod) []corev1.Pod {
	r := rand.New(rand.NewPCG(1, 1))
	r.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	return pods
}

// toggleAll changes one pod after the other, at the given rate per second. It returns the time of the API server's
// response to each write, by the container's key.
func toggleAll(ctx context.Context, c *kube.Cluster, pods []corev1.Pod, perSecond float64) (map[state.Key]time.Time, error) {
	keys, times := make([]state.Key, len(pods)), make([]time.Time, len(pods))
	err := runAtRate(ctx, len(pods), perSecond, func(ctx context.Context, i int) (err error) {
		keys[i], err = toggleReadiness(ctx, c, &pods[i])
		times[i] = time.Now()
		return err
	})
	written := map[state.Key]time.Time{}
	for i, key := range keys {
		written[key] = times[i]
	}
	return written, err
}

// writeHeartbeats writes node status heartbeats, one node after the other, at the given rate per second.
func writeHeartbeats(ctx context.Context, c *kube.Cluster, nodes []corev1.Node, perSecond float64) error {
	return runAtRate(ctx, len(nodes), perSecond, func(ctx context.Context, i int) error {
		node := &nodes[i]
		for k := range node.Status.Conditions {
			node.Status.Conditions[k].LastHeartbeatTime = metav1.Now()
		}
		node.ResourceVersion = ""
		if _, err := c.Client().CoreV1().Nodes().UpdateStatus(ctx, node, metav1.UpdateOptions{}); err != nil {
			return fmt.Errorf("write the heartbeat of node %s: %w", node.Name, err)
		}
		return nil
	})
}

// runAtRate calls f count times, at the given rate per second, and waits until all calls have returned. A call
// does not wait for the one before it.
func runAtRate(ctx context.Context, count int, perSecond float64, f func(ctx context.Context, i int) error) error {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / perSecond))
	defer ticker.Stop()
	group, ctx := errgroup.WithContext(ctx)
	for i := range count {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), group.Wait())
		}
		group.Go(func() error { return f(ctx, i) })
	}
	return group.Wait()
}
