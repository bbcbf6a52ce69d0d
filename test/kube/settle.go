package kube

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	settleInterval = 500 * time.Millisecond
	settleTimeout  = 5 * time.Minute
	quietRounds    = 4 // settled is what did not change for so many intervals
)

// settlingKinds are what must have stopped changing, beside nodes.
var settlingKinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "persistentvolumeclaims"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
}

// Settle returns when the cluster has come to rest: every pod is where it will stay, and pods, services, endpoints,
// claims, jobs and nodes have not changed for two seconds. Heartbeats and leases do not count.
func (c *Cluster) Settle(ctx context.Context) error {
	var before [sha256.Size]byte
	rounds := 0
	return c.poll(ctx, "the cluster to settle", func(ctx context.Context) error {
		now, err := c.fingerprint(ctx)
		if err != nil {
			return err
		}
		if now != before {
			before, rounds = now, 0
			return errors.New("objects are changing")
		}
		if rounds++; rounds < quietRounds {
			return errors.New("objects changed a moment ago")
		}
		return nil
	})
}

// poll calls check until it succeeds, for at most settleTimeout.
func (c *Cluster) poll(ctx context.Context, what string, check func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, settleInterval, settleTimeout, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s in cluster %s: %w (last try: %w)", what, c.Name, err, last)
	}
	return nil
}

// fingerprint returns a digest of the versions of all relevant objects, or an error while a pod
// is being started or deleted.
func (c *Cluster) fingerprint(ctx context.Context) (sum [sha256.Size]byte, err error) {
	if err := c.nonePending(ctx); err != nil {
		return sum, err
	}
	digest := sha256.New()
	nodes, err := c.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return sum, err
	}
	for i := range nodes.Items {
		fmt.Fprintln(digest, nodes.Items[i].Name, nodes.Items[i].Spec, readyOf(&nodes.Items[i]))
	}
	for _, kind := range settlingKinds {
		versions, err := c.versions(ctx, kind)
		if err != nil {
			return sum, err
		}
		fmt.Fprintln(digest, versions)
	}
	return [sha256.Size]byte(digest.Sum(nil)), nil
}

// versions lists the UIDs and resource versions of all objects of one kind, or fails while one is being deleted.
func (c *Cluster) versions(ctx context.Context, kind schema.GroupVersionResource) ([]string, error) {
	list, err := c.metadata.Resource(kind).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
	}
	var versions []string
	for i := range list.Items {
		item := &list.Items[i]
		if item.DeletionTimestamp != nil && len(item.Finalizers) == 0 {
			return nil, fmt.Errorf("%s %s/%s is being deleted", kind.Resource, item.Namespace, item.Name)
		}
		versions = append(versions, string(item.UID)+" "+item.ResourceVersion)
	}
	return versions, nil
}

// nonePending fails while a pod is pending that will not stay so.
func (c *Cluster) nonePending(ctx context.Context) error {
	pending, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		ResourceVersion: "0", FieldSelector: "status.phase=" + string(corev1.PodPending),
	})
	if err != nil {
		return err
	}
	for i := range pending.Items {
		pod := &pending.Items[i]
		stays := slices.Contains([]string{FateImagePull, FateInit, FateCreating}, pod.Labels[FateLabel])
		if !stays && !unschedulable(pod) {
			return fmt.Errorf("pod %s/%s is pending", pod.Namespace, pod.Name)
		}
	}
	return nil
}

func unschedulable(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Status == corev1.ConditionFalse
		}
	}
	return false
}

func readyOf(node *corev1.Node) corev1.ConditionStatus {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status
		}
	}
	return corev1.ConditionUnknown
}
