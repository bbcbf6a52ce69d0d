package kube

import (
	"context"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	irregularWorkers    = 48
	irregularNamespaces = 40
	// maxReplicas is the maximum number of a workload's pods; the average is half of it.
	maxReplicas = 23
)

// Irregular fills a cluster without controllers and kwok with nodes and pods that differ as much as those of
// a real cluster: names, images, digests, times, sizes and addresses are random, and objects have all the fields that
// real ones have, also those that Rollcall does not use. It writes objects and their status directly to the API.
type Irregular struct {
	cluster *Cluster
	random  *rand.Rand
	nodes   []*corev1.Node
	// workload is the workload of the next pods, replicas the number of its pods that are still to be created.
	workload workload
	replicas int
}

// NewIrregular creates the namespaces. Equal seeds give equal objects, except for times.
func NewIrregular(ctx context.Context, c *Cluster, seed uint64) (*Irregular, error) {
	var objects []any
	for i := range irregularNamespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: irregularNamespace(i)}})
	}
	if err := c.create(ctx, objects); err != nil {
		return nil, fmt.Errorf("create the namespaces of an irregular cluster: %w", err)
	}
	return &Irregular{cluster: c, random: rand.New(rand.NewPCG(seed, 2))}, nil
}

// irregularNamespace returns the name of namespace i.
func irregularNamespace(i int) string { return fmt.Sprintf("team-%c%d", 'a'+i%26, i) }

// Add creates more nodes and pods. The pods run on the nodes of the last Add that created
// nodes.
func (r *Irregular) Add(ctx context.Context, nodes, pods int) error {
	if nodes > 0 {
		first := len(r.nodes)
		r.nodes = nil
		for i := range nodes {
			r.nodes = append(r.nodes, r.node(first+i))
		}
		if err := forEach(ctx, r.nodes, r.cluster.writeNode); err != nil {
			return fmt.Errorf("write irregular nodes: %w", err)
		}
	}
	if err := forEach(ctx, r.newPods(pods), r.cluster.writePod); err != nil {
		return fmt.Errorf("write irregular pods: %w", err)
	}
	return nil
}

// newPods returns count pods on random nodes, in workloads of random size.
func (r *Irregular) newPods(count int) []*corev1.Pod {
	var pods []*corev1.Pod
	for range count {
		if r.replicas == 0 {
			r.workload, r.replicas = r.newWorkload(), 1+r.random.IntN(maxReplicas)
		}
		r.replicas--
		pods = append(pods, r.pod(r.workload, r.nodes[r.random.IntN(len(r.nodes))]))
	}
	return pods
}

// forEach calls f for every object, in up to irregularWorkers goroutines.
func forEach[T any](ctx context.Context, objects []T, f func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(irregularWorkers)
	for _, o := range objects {
		group.Go(func() error { return f(ctx, o) })
	}
	return group.Wait()
}

// writeNode creates a node with its status. For nodes the API server accepts the status at creation.
func (c *Cluster) writeNode(ctx context.Context, node *corev1.Node) error {
	_, err := c.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	return err
}

// writePod creates a pod and writes its status.
func (c *Cluster) writePod(ctx context.Context, pod *corev1.Pod) error {
	created, err := c.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	created.Status = pod.Status
	_, err = c.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, created, metav1.UpdateOptions{})
	return err
}
