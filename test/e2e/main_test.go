// Package e2e tests the whole system: the real binaries, with tokens and
// pinned certificates, against real API servers and a real Redis. Tests run in
// parallel; each has its own agents and ClusterAgents.
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

// env has the processes that all tests share: a hub with a master, and two member clusters with
// all components. One is small, so that a dozen agents need few resources; the
// other is large and changes.
var env struct {
	stack  *stack.Stack
	hub    *kube.Cluster
	member *kube.Cluster
	large  *kube.Cluster
	master *stack.Master

	// changing is locked by a test that changes the large cluster and compares it with Rollcall, since
	// changes by another test at the same time would be differences.
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

// run starts the shared processes, runs the tests, and stops the processes.
func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "rollcall-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	defer func() {
		for _, c := range []*kube.Cluster{env.hub, env.member, env.large} {
			if c != nil {
				c.Close()
			}
		}
	}()
	defer func() {
		if env.stack != nil {
			err = errors.Join(err, env.stack.Close())
		}
	}()
	if err := start(dir); err != nil {
		return 1, err
	}
	// The tests spend most of their time waiting.
	if err := flag.Set("test.parallel", "8"); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// start starts the shared processes; dir is for their files.
func start(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var g errgroup.Group
	g.Go(func() (err error) {
		env.stack, err = stack.New(ctx, stack.Options{Dir: dir, Race: true, Log: logf})
		return err
	})
	g.Go(func() (err error) {
		env.hub, err = kube.Start(ctx, kube.Options{Name: "hub", Log: logf})
		return err
	})
	g.Go(func() (err error) {
		env.member, err = member(ctx, "member", kube.Scenario{Seed: 2})
		return err
	})
	g.Go(func() (err error) {
		env.large, err = member(ctx, "large", kube.Scenario{Nodes: 25, Pods: 1000, Seed: 1})
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	var err error
	env.master, err = env.stack.StartMaster(ctx, env.hub)
	return err
}

// member starts a member cluster and creates a scenario in it.
func member(ctx context.Context, name string, s kube.Scenario) (*kube.Cluster, error) {
	c, err := kube.Start(ctx, kube.Options{Name: name, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Audit: true, Log: logf})
	if err != nil {
		return nil, err
	}
	return c, kube.Populate(ctx, c, s)
}

// lockLarge reserves the large cluster for this test until it ends.
func lockLarge(t *testing.T) {
	env.changing.Lock()
	t.Cleanup(env.changing.Unlock)
}

// logf logs a line to stderr.
func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
