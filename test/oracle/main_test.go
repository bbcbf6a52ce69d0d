// Package oracle compares what Rollcall reports about a cluster with the output of Kubernetes' own
// programs: the API server's table of pods, kubectl describe node, kubectl top
// and kube-state-metrics. Intended differences are listed in intended_test.go.
package oracle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// clusterName is the name of the cluster in Rollcall.
const clusterName = "oracle"

// env has the cluster, which is also the hub, and all programs that report about it.
var env struct {
	cluster *kube.Cluster
	stack   *stack.Stack
	master  *stack.Master
	ksm     *kubeStateMetrics
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

// run starts everything, runs the tests, and stops everything.
func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "rollcall-oracle-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	defer func() {
		if env.ksm != nil {
			env.ksm.close()
		}
		if env.stack != nil {
			err = errors.Join(err, env.stack.Close())
		}
		if env.cluster != nil {
			env.cluster.Close()
		}
	}()
	if err := start(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// start starts the cluster, kube-state-metrics, master and agent; dir is for their files.
func start(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var g errgroup.Group
	g.Go(func() (err error) {
		env.stack, err = stack.New(ctx, stack.Options{Dir: dir, Race: true, Log: logf})
		return err
	})
	g.Go(func() (err error) {
		env.cluster, err = kube.Start(ctx, kube.Options{Name: clusterName, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Log: logf})
		if err != nil {
			return err
		}
		if err := kube.Populate(ctx, env.cluster, kube.Scenario{Seed: 3}); err != nil {
			return err
		}
		if err := writeOddPods(ctx, env.cluster.Client()); err != nil {
			return err
		}
		env.ksm, err = startKubeStateMetrics(ctx, dir)
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	return startRollcall(ctx)
}

// startRollcall starts a master and an agent with mode Continuous.
func startRollcall(ctx context.Context) (err error) {
	if env.master, err = env.stack.StartMaster(ctx, env.cluster); err != nil {
		return err
	}
	agent, err := env.stack.StartAgent(ctx, env.cluster, clusterName)
	if err != nil {
		return err
	}
	if out, err := env.cluster.KubectlInput(agent.Manifest("mode: Continuous"), "apply", "-f", "-"); err != nil {
		return fmt.Errorf("register the cluster: %w: %s", err, out)
	}
	return nil
}

// logf logs a line to stderr.
func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
