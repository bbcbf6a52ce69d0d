// Package e2e tests what only the whole shows: the real binaries, with tokens and
// pinned certificates, against real API servers and a real Redis. Tests run side by
// side; each has agents and ClusterAgents of its own.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// world is what all tests share: a hub with a master, and two member clusters with
// everything that a cluster has. One is small, so that a dozen agents cost little; the
// other is large and changes.
var world struct {
	stack  *stack.Stack
	hub    *kube.Cluster
	member *kube.Cluster
	large  *kube.Cluster
	master *stack.Master

	// changing is held by a test that changes the large cluster, and then compares it:
	// what another changes meanwhile is no difference.
	changing sync.Mutex
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "rollcall-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	defer func() {
		for _, c := range []*kube.Cluster{world.hub, world.member, world.large} {
			if c != nil {
				c.Close()
			}
		}
	}()
	defer func() {
		if world.stack != nil {
			err = errors.Join(err, world.stack.Close())
		}
	}()
	if err := start(dir); err != nil {
		return 1, err
	}
	// The tests wait more than they work.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

func start(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var g errgroup.Group
	g.Go(func() (err error) {
		world.stack, err = stack.New(ctx, stack.Options{Dir: dir, Race: true, Log: say})
		return err
	})
	g.Go(func() (err error) {
		world.hub, err = kube.Start(ctx, kube.Options{Name: "hub", Log: say})
		return err
	})
	g.Go(func() (err error) {
		world.member, err = member(ctx, "member", kube.Scenario{Seed: 2})
		return err
	})
	g.Go(func() (err error) {
		world.large, err = member(ctx, "large", kube.Scenario{Nodes: 25, Pods: 1000, Seed: 1})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	var err error
	world.master, err = world.stack.StartMaster(ctx, world.hub)
	return err
}

func member(ctx context.Context, name string, s kube.Scenario) (*kube.Cluster, error) {
	c, err := kube.Start(ctx, kube.Options{Name: name, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Audit: true, Log: say})
	if err != nil {
		return nil, err
	}
	return c, kube.Populate(ctx, c, s)
}

// changesLarge reserves the large cluster for this test until it ends.
func changesLarge(t *testing.T) {
	world.changing.Lock()
	t.Cleanup(world.changing.Unlock)
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
