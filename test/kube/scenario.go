package kube

import (
	"context"
	"fmt"
	"slices"
)

// Scenario describes the objects that [Populate] creates. Equal scenarios give equal clusters, except for values that
// the cluster chooses: UIDs, times, the nodes of pods, the random parts of names.
type Scenario struct {
	// Nodes is the number of nodes, at least 5 (the default). One node is cordoned, one is not ready, and one is
	// tainted and has GPUs.
	Nodes int
	// Pods is the number of regular pods, in addition to some 60 unusual ones. Default: 0.
	Pods int
	// Seed chooses sizes, images and ports of the regular pods.
	Seed uint64
}

// minNodes is the minimum of Scenario.Nodes.
const minNodes = 5

// Namespaces of [Populate]; the regular pods are in [LoadNamespaces].
const (
	NamespaceShop  = "shop"  // Deployments with sidecars and init containers, and every type of Service
	NamespaceData  = "data"  // StatefulSet, claims, DaemonSet with host ports
	NamespaceBatch = "batch" // Jobs and CronJobs
	NamespaceOdd   = "odd"   // pods with problems, one of each kind
)

// Populate creates the scenario in an empty cluster that has scheduler, controller-manager and
// kwok, and returns when the cluster has settled. It creates every kind of object that Rollcall
// derives facts from; see the files populate_*.go.
func Populate(ctx context.Context, c *Cluster, s Scenario) error {
	s.Nodes = max(s.Nodes, minNodes)
	steps := []struct {
		what string
		do   func() error
	}{
		{"nodes", func() error { return c.create(ctx, nodes(s.Nodes)) }},
		{"namespaces", func() error { return c.createNamespaces(ctx, s) }},
		{"workloads", func() error { return c.create(ctx, s.objects()) }},
		{"owned objects", func() error { return c.createOwned(ctx) }},
		{"load balancers", func() error { return c.provideLoadBalancers(ctx) }},
		{"storage", func() error { return c.waitForDatabase(ctx) }},
		{"wait until settled", func() error { return c.Settle(ctx) }},
		{"problems", func() error { return c.addProblems(ctx) }},
		{"wait until settled again", func() error { return c.Settle(ctx) }},
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
