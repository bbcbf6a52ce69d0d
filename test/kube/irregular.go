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
	// maxReplicas of a workload; it has half as many on average.
	maxReplicas = 23
)

// Irregular fills a cluster that has neither controllers nor kwok with nodes and pods that are as different as those of
// a grown cluster: names, images, digests, times, sizes and addresses at random, and in every object all that a real one
// carries along, though nobody may need it. Objects and their status are written straight into the API.
type Irregular struct {
	cluster *Cluster
	random  *rand.Rand
	nodes   []*corev1.Node
	// workload is whose pods come next, as many as replicas says.
	workload workload
	replicas int
}

// NewIrregular creates the namespaces. Equal seeds give equal objects.
func NewIrregular(ctx context.Context, c *Cluster, seed uint64) (*Irregular, error) {
	var objects []any
	for i := range irregularNamespaces {
		objects = append(objects, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: irregularNamespace(i)}})
	}
	if err := c.create(ctx, objects); err != nil {
		return nil, fmt.Errorf("make the namespaces of an irregular cluster: %w", err)
	}
	return &Irregular{cluster: c, random: rand.New(rand.NewPCG(seed, 2))}, nil
}

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
		if err := each(ctx, r.nodes, r.cluster.writeNode); err != nil {
			return fmt.Errorf("write irregular nodes: %w", err)
		}
	}
	if err := each(ctx, r.newPods(pods), r.cluster.writePod); err != nil {
		return fmt.Errorf("write irregular pods: %w", err)
	}
	return nil
}

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

// each calls f with every object, many at a time.
func each[T any](ctx context.Context, objects []T, f func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(irregularWorkers)
	for _, o := range objects {
		group.Go(func() error { return f(ctx, o) })
	}
	return group.Wait()
}

// writeNode creates a node. The API server accepts its status with it.
func (c *Cluster) writeNode(ctx context.Context, node *corev1.Node) error {
	_, err := c.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	return err
}

// writePod creates a pod and writes its status.
func (c *Cluster) writePod(ctx context.Context, pod *corev1.Pod) error {
	made, err := c.client.CoreV1().Pods(pod.Namespace).Create(ctx, pod, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Status = pod.Status
	_, err = c.client.CoreV1().Pods(pod.Namespace).UpdateStatus(ctx, made, metav1.UpdateOptions{})
	return err
}
