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

// environment has all running components.
type environment struct {
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
func (env *environment) logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.1fs  %s\n", time.Since(env.started).Seconds(), fmt.Sprintf(format, args...))
}

// start starts all components.
func (env *environment) start(ctx context.Context) error {
	if _, err := kube.Binaries(); err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		env.stack, err = stack.New(gctx, stack.Options{Dir: env.dir, Log: env.logf})
		return err
	})
	g.Go(func() (err error) {
		env.hub, err = kube.Start(gctx, kube.Options{Name: "hub", Log: env.logf})
		return err
	})
	g.Go(func() error { return env.startMember(gctx) })
	g.Go(func() error { return env.buildFleet(gctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	return env.startRollcall(ctx)
}

// startMember starts the member cluster and creates a scenario in it.
func (env *environment) startMember(ctx context.Context) (err error) {
	env.member, err = kube.Start(ctx, kube.Options{
		Name: memberName, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Log: env.logf,
	})
	if err != nil {
		return err
	}
	return kube.Populate(ctx, env.member, kube.Scenario{Pods: 20, Seed: 1})
}

// startRollcall starts the master and the agents, and registers the clusters.
func (env *environment) startRollcall(ctx context.Context) (err error) {
	if env.master, err = env.stack.StartMaster(ctx, env.hub); err != nil {
		return err
	}
	if env.agent, err = env.stack.StartAgent(ctx, env.member, memberName); err != nil {
		return err
	}
	if env.delayed, err = startDelayedAgent(ctx, env.stack, env.member, env.dir); err != nil {
		return err
	}
	unreachable := stack.Agent{Cluster: unreachableName, Endpoint: closedEndpoint, Pin: env.agent.Pin}
	manifests := env.agent.Manifest("") + "  clusterIPs: [203.0.113.7]\n---\n" + unreachable.Manifest("") + "  clusterIPs: [203.0.113.9]\n---\n" + env.delayed.manifest()
	_, err = env.hub.KubectlInput(manifests, "apply", "-f", "-")
	return err
}

// close stops all components.
func (env *environment) close() error {
	var err error
	if env.stack != nil {
		err = env.stack.Close()
	}
	if env.delayed != nil {
		err = errors.Join(err, env.delayed.close())
	}
	for _, p := range env.fleets {
		p.Kill()
	}
	for _, c := range []*kube.Cluster{env.hub, env.member} {
		if c != nil {
			c.Close()
		}
	}
	return err
}
