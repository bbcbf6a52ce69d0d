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
	settleInterval  = 500 * time.Millisecond
	settleTimeout   = 5 * time.Minute
	unchangedRounds = 4 // number of intervals without a change after which a cluster is settled
)

// settlingKinds are the kinds whose objects must not change, in addition to nodes.
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

// Settle waits until the cluster no longer changes: every pod is where it will stay, and pods, services, endpoints,
// claims, jobs and nodes have not changed for two seconds. Heartbeats and leases do not count as changes.
func (c *Cluster) Settle(ctx context.Context) error {
	var before [sha256.Size]byte
	rounds := 0
	return c.poll(ctx, "the cluster to settle", func(ctx context.Context) error {
		now, err := c.hashVersions(ctx)
		if err != nil {
			return err
		}
		if now != before {
			before, rounds = now, 0
			return errors.New("objects are changing")
		}
		if rounds++; rounds < unchangedRounds {
			return errors.New("objects changed a moment ago")
		}
		return nil
	})
}

// poll calls check until it returns nil, for at most settleTimeout.
func (c *Cluster) poll(ctx context.Context, what string, check func(context.Context) error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, settleInterval, settleTimeout, true, func(ctx context.Context) (bool, error) {
		last = check(ctx)
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("wait for %s in cluster %s: %w (last attempt: %w)", what, c.Name, err, last)
	}
	return nil
}

// hashVersions returns a hash of the versions of all relevant objects, or an error while a pod
// is starting or being deleted.
func (c *Cluster) hashVersions(ctx context.Context) (sum [sha256.Size]byte, err error) {
	if err := c.checkPending(ctx); err != nil {
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

// versions returns the UIDs and resource versions of all objects of one kind, or an error while one is being deleted.
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

// checkPending returns an error while a pod is pending that is expected to start.
func (c *Cluster) checkPending(ctx context.Context) error {
	pending, err := c.client.CoreV1().Pods("").List(ctx, metav1.ListOptions{
		ResourceVersion: "0", FieldSelector: "status.phase=" + string(corev1.PodPending),
	})
	if err != nil {
		return err
	}
	for i := range pending.Items {
		pod := &pending.Items[i]
		stays := slices.Contains([]string{BehaviorImagePull, BehaviorInit, BehaviorCreating}, pod.Labels[BehaviorLabel])
		if !stays && !unschedulable(pod) {
			return fmt.Errorf("pod %s/%s is pending", pod.Namespace, pod.Name)
		}
	}
	return nil
}

// unschedulable reports whether the scheduler found no node for the pod.
func unschedulable(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Status == corev1.ConditionFalse
		}
	}
	return false
}

// readyOf returns the status of a node's Ready condition.
func readyOf(node *corev1.Node) corev1.ConditionStatus {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status
		}
	}
	return corev1.ConditionUnknown
}
