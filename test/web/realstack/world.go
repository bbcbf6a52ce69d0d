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

// memberName is the cluster that has an agent; awayName has none where it should be;
// lateName is a second agent of the member, which keeps everybody waiting.
const (
	memberName = "prod-eu"
	awayName   = "edge-oslo"
	lateName   = "prod-us"
)

// nobody is where nothing listens.
const nobody = "wss://127.0.0.1:9"

// world is everything that runs.
type world struct {
	dir   string
	began time.Time

	stack       *stack.Stack
	hub, member *kube.Cluster
	master      *stack.Master
	agent       *stack.Agent
	late        *late
	// played are fleets of agents.
	played []*proc.Process
}

func (w *world) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.1fs  %s\n", time.Since(w.began).Seconds(), fmt.Sprintf(format, args...))
}

func (w *world) start(ctx context.Context) error {
	if _, err := kube.Binaries(); err != nil {
		return err
	}
	g, together := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		w.stack, err = stack.New(together, stack.Options{Dir: w.dir, Log: w.say})
		return err
	})
	g.Go(func() (err error) {
		w.hub, err = kube.Start(together, kube.Options{Name: "hub", Log: w.say})
		return err
	})
	g.Go(func() error { return w.startMember(together) })
	g.Go(func() error { return w.buildFleet(together) })
	if err := g.Wait(); err != nil {
		return err
	}
	return w.startRollcall(ctx)
}

func (w *world) startMember(ctx context.Context) (err error) {
	w.member, err = kube.Start(ctx, kube.Options{
		Name: memberName, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Log: w.say,
	})
	if err != nil {
		return err
	}
	return kube.Populate(ctx, w.member, kube.Scenario{Pods: 20, Seed: 1})
}

// startRollcall starts master and agents and registers the clusters.
func (w *world) startRollcall(ctx context.Context) (err error) {
	if w.master, err = w.stack.StartMaster(ctx, w.hub); err != nil {
		return err
	}
	if w.agent, err = w.stack.StartAgent(ctx, w.member, memberName); err != nil {
		return err
	}
	if w.late, err = startLate(ctx, w.stack, w.member, w.dir); err != nil {
		return err
	}
	away := stack.Agent{Cluster: awayName, Endpoint: nobody, Pin: w.agent.Pin}
	manifests := w.agent.Manifest("") + "  clusterIPs: [203.0.113.7]\n---\n" + away.Manifest("") + "  clusterIPs: [203.0.113.9]\n---\n" + w.late.manifest()
	_, err = w.hub.KubectlInput(manifests, "apply", "-f", "-")
	return err
}

func (w *world) close() error {
	var err error
	if w.stack != nil {
		err = w.stack.Close()
	}
	if w.late != nil {
		err = errors.Join(err, w.late.close())
	}
	for _, p := range w.played {
		p.Kill()
	}
	for _, c := range []*kube.Cluster{w.hub, w.member} {
		if c != nil {
			c.Close()
		}
	}
	return err
}
