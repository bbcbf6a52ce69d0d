package kube

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// mutator changes a populated cluster at random.
type mutator struct {
	*Cluster
	random *rand.Rand
	count  int // changes made so far; part of names
}

// errInapplicable is the error of a change for which there is no object.
var errInapplicable = errors.New("nothing to change")

// changes has all kinds of change, which are equally likely. Those of workloads and pods, nodes, and Services are
// in separate files.
var changes = map[string]func(*mutator, context.Context) error{
	"scale a Deployment":               (*mutator).scale,
	"change an image":                  (*mutator).changeImage,
	"change requests":                  (*mutator).changeRequests,
	"delete a pod":                     (*mutator).deletePod,
	"add a pod with a host port":       (*mutator).addPod,
	"flip a pod's readiness":           (*mutator).flipPodReady,
	"restart a container":              (*mutator).restartContainer,
	"cordon or uncordon a node":        (*mutator).flipCordon,
	"flip a node's readiness":          (*mutator).flipNodeReady,
	"taint or untaint a node":          (*mutator).flipTaint,
	"add a Service":                    (*mutator).addService,
	"remove a Service":                 (*mutator).removeService,
	"change a node port":               (*mutator).changeNodePort,
	"change a traffic policy":          (*mutator).flipTrafficPolicy,
	"change external IPs":              (*mutator).changeExternalIPs,
	"change a load balancer's address": (*mutator).changeIngress,
}

// Mutate makes n random changes to the objects of [Populate], like those that people, controllers and
// kubelets make. It returns immediately after the last change; see
// [Cluster.Settle]. Equal seeds choose the same changes for equal clusters.
func Mutate(ctx context.Context, c *Cluster, n int, seed uint64) error {
	m := &mutator{Cluster: c, random: rand.New(rand.NewPCG(seed, 2))}
	kinds := slices.Sorted(maps.Keys(changes))
	for tries := 0; m.count < n; tries++ {
		if tries > 10*n {
			return fmt.Errorf("change cluster %s: %d of %d changes were applicable", c.Name, m.count, n)
		}
		kind := kinds[m.random.IntN(len(kinds))]
		switch err := changes[kind](m, ctx); {
		case err == nil:
			m.count++
		case errors.Is(err, errInapplicable), apierrors.IsConflict(err), apierrors.IsNotFound(err):
			// A controller changed the object at the same time, or there is no object of that kind: choose again.
		default:
			return fmt.Errorf("change cluster %s: %s: %w", c.Name, kind, err)
		}
	}
	return nil
}

// pick returns a random item for which fits returns true, or errInapplicable.
func pick[T any](m *mutator, items []T, fits func(*T) bool) (*T, error) {
	var fitting []*T
	for i := range items {
		if fits(&items[i]) {
			fitting = append(fitting, &items[i])
		}
	}
	if len(fitting) == 0 {
		return nil, errInapplicable
	}
	return fitting[m.random.IntN(len(fitting))], nil
}

// populated reports whether a namespace belongs to the scenario and not to the cluster itself.
func populated(namespace string) bool {
	switch namespace {
	case metav1.NamespaceSystem, metav1.NamespaceDefault, metav1.NamespacePublic, corev1.NamespaceNodeLease:
		return false
	}
	return true
}
