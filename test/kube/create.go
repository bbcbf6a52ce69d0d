package kube

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// createWorkers is the number of concurrent requests of create.
const createWorkers = 16

// create creates objects of any of a scenario's kinds, concurrently and in no particular order.
func (c *Cluster) create(ctx context.Context, objects []any) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(createWorkers)
	for _, object := range objects {
		group.Go(func() error {
			if err := c.createOne(ctx, object); err != nil {
				return fmt.Errorf("create a %T: %w", object, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// createOne creates one object.
func (c *Cluster) createOne(ctx context.Context, object any) (err error) {
	options := metav1.CreateOptions{}
	switch o := object.(type) {
	case *corev1.Node:
		_, err = c.client.CoreV1().Nodes().Create(ctx, o, options)
	case *corev1.Namespace:
		_, err = c.client.CoreV1().Namespaces().Create(ctx, o, options)
	case *corev1.Pod:
		_, err = c.client.CoreV1().Pods(o.Namespace).Create(ctx, o, options)
	case *corev1.Service:
		_, err = c.client.CoreV1().Services(o.Namespace).Create(ctx, o, options)
	case *corev1.PersistentVolume:
		_, err = c.client.CoreV1().PersistentVolumes().Create(ctx, o, options)
	case *corev1.PersistentVolumeClaim:
		_, err = c.client.CoreV1().PersistentVolumeClaims(o.Namespace).Create(ctx, o, options)
	case *discoveryv1.EndpointSlice:
		_, err = c.client.DiscoveryV1().EndpointSlices(o.Namespace).Create(ctx, o, options)
	case *appsv1.Deployment:
		_, err = c.client.AppsV1().Deployments(o.Namespace).Create(ctx, o, options)
	case *appsv1.StatefulSet:
		_, err = c.client.AppsV1().StatefulSets(o.Namespace).Create(ctx, o, options)
	case *appsv1.DaemonSet:
		_, err = c.client.AppsV1().DaemonSets(o.Namespace).Create(ctx, o, options)
	case *batchv1.Job:
		_, err = c.client.BatchV1().Jobs(o.Namespace).Create(ctx, o, options)
	case *batchv1.CronJob:
		_, err = c.client.BatchV1().CronJobs(o.Namespace).Create(ctx, o, options)
	case *nodev1.RuntimeClass:
		_, err = c.client.NodeV1().RuntimeClasses().Create(ctx, o, options)
	default:
		err = fmt.Errorf("kind is not supported by createOne")
	}
	return err
}

// createNamespaces creates the namespaces of a scenario and waits until pods can be created in them.
func (c *Cluster) createNamespaces(ctx context.Context, s Scenario) error {
	names := append([]string{NamespaceShop, NamespaceData, NamespaceBatch, NamespaceOdd}, LoadNamespaces(s)...)
	var objects []any
	for _, name := range names {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	if err := c.create(ctx, objects); err != nil {
		return err
	}
	return c.poll(ctx, "default service accounts", func(ctx context.Context) error {
		for _, name := range names {
			if _, err := c.client.CoreV1().ServiceAccounts(name).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
		}
		return nil
	})
}
