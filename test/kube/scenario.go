package kube

import (
	"context"
	"fmt"
	"slices"
)

// Scenario is what [Populate] fills a cluster with. Equal scenarios give equal clusters, but for what the cluster itself
// chooses: UIDs, times, the placing of pods, the random part of names.
type Scenario struct {
	// Nodes is how many there are, at least 5 (the default): of each cluster one is cordoned, one is not ready and one is
	// tainted and has GPUs.
	Nodes int
	// Pods is about how many ordinary pods there are beside the odd ones (some 60). Default 0.
	Pods int
	// Seed chooses sizes, images and ports of the ordinary pods.
	Seed uint64
}

const minNodes = 5

// Namespaces that [Populate] fills; the ordinary pods are in [LoadNamespaces].
const (
	NamespaceShop  = "shop"  // Deployments with sidecars and init containers, and every type of Service
	NamespaceData  = "data"  // StatefulSet, claims, DaemonSet with host ports
	NamespaceBatch = "batch" // Jobs and CronJobs
	NamespaceOdd   = "odd"   // pods in trouble, one of each kind
)

// Populate creates the scenario in an empty cluster that has scheduler, controller-manager and
// kwok, and returns when the cluster has settled. It contains every kind of object that a fact
// of Rollcall depends on; see the files populate_*.go.
func Populate(ctx context.Context, c *Cluster, s Scenario) error {
	s.Nodes = max(s.Nodes, minNodes)
	steps := []struct {
		what string
		do   func() error
	}{
		{"nodes", func() error { return c.create(ctx, nodes(s.Nodes)) }},
		{"namespaces", func() error { return c.createNamespaces(ctx, s) }},
		{"workloads", func() error { return c.create(ctx, s.objects()) }},
		{"what others own", func() error { return c.createOwned(ctx) }},
		{"load balancers", func() error { return c.provideLoadBalancers(ctx) }},
		{"storage", func() error { return c.waitForDatabase(ctx) }},
		{"first settling", func() error { return c.Settle(ctx) }},
		{"trouble", func() error { return c.trouble(ctx) }},
		{"second settling", func() error { return c.Settle(ctx) }},
	}
	for _, step := range steps {
		c.options.Log("cluster %s: populating: %s", c.Name, step.what)
		if err := step.do(); err != nil {
			return fmt.Errorf("populate cluster %s: %s: %w", c.Name, step.what, err)
		}
	}
	return nil
}

// objects returns all objects that can be created without waiting for the cluster.
func (s Scenario) objects() []any {
	return slices.Concat(shopObjects(), serviceObjects(), dataObjects(), batchObjects(), oddObjects(), loadObjects(s))
}
