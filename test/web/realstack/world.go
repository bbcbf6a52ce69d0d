package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/proc"
	"rollcall.dev/rollcall/test/stack"
)

// memberName is the cluster with an agent. The endpoint of unreachableName has no listener.
// delayedName is a second agent of the member, which responds late.
const (
	memberName      = "prod-eu"
	unreachableName = "edge-oslo"
	delayedName     = "prod-us"
)

// closedEndpoint is an endpoint without a listener.
const closedEndpoint = "wss://127.0.0.1:9"

// world has all running components.
type world struct {
	dir     string
	started time.Time

	stack       *stack.Stack
	hub, member *kube.Cluster
	master      *stack.Master
	agent       *stack.Agent
	delayed     *delayedAgent
	// fleets has the processes of hack/fleet.
	fleets []*proc.Process
}

// logf writes a line to standard error, with the time since the start.
func (w *world) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.1fs  %s\n", time.Since(w.started).Seconds(), fmt.Sprintf(format, args...))
}

// start starts all components.
func (w *world) start(ctx context.Context) error {
	if _, err := kube.Binaries(); err != nil {
		return err
	}
	g, together := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		w.stack, err = stack.New(together, stack.Options{Dir: w.dir, Log: w.logf})
		return err
	})
	g.Go(func() (err error) {
		w.hub, err = kube.Start(together, kube.Options{Name: "hub", Log: w.logf})
		return err
	})
	g.Go(func() error { return w.startMember(together) })
	g.Go(func() error { return w.buildFleet(together) })
	if err := g.Wait(); err != nil {
		return err
	}
	return w.startRollcall(ctx)
}

// startMember starts the member cluster and creates a scenario in it.
func (w *world) startMember(ctx context.Context) (err error) {
	w.member, err = kube.Start(ctx, kube.Options{
		Name: memberName, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Log: w.logf,
	})
	if err != nil {
		return err
	}
	return kube.Populate(ctx, w.member, kube.Scenario{Pods: 20, Seed: 1})
}

// startRollcall starts the master and the agents, and registers the clusters.
func (w *world) startRollcall(ctx context.Context) (err error) {
	if w.master, err = w.stack.StartMaster(ctx, w.hub); err != nil {
		return err
	}
	if w.agent, err = w.stack.StartAgent(ctx, w.member, memberName); err != nil {
		return err
	}
	if w.delayed, err = startDelayedAgent(ctx, w.stack, w.member, w.dir); err != nil {
		return err
	}
	unreachable := stack.Agent{Cluster: unreachableName, Endpoint: closedEndpoint, Pin: w.agent.Pin}
	manifests := w.agent.Manifest("") + "  clusterIPs: [203.0.113.7]\n---\n" + unreachable.Manifest("") + "  clusterIPs: [203.0.113.9]\n---\n" + w.delayed.manifest()
	_, err = w.hub.KubectlInput(manifests, "apply", "-f", "-")
	return err
}

// close stops all components.
func (w *world) close() error {
	var err error
	if w.stack != nil {
		err = w.stack.Close()
	}
	if w.delayed != nil {
		err = errors.Join(err, w.delayed.close())
	}
	for _, p := range w.fleets {
		p.Kill()
	}
	for _, c := range []*kube.Cluster{w.hub, w.member} {
		if c != nil {
			c.Close()
		}
	}
	return err
}
