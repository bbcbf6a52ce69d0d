package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"rollcall.dev/rollcall/test/proc"
)

// The sizes of the fleets: many small clusters, whose names are last in the list, and one large
// cluster. Agents of hack/fleet use the real protocol code.
const (
	manyClusters, manyContainers = 1000, 4
	largeContainers, largeNodes  = 10_000, 100
)

// clusterAgents is the path of ClusterAgents in the hub's API.
const clusterAgents = "/apis/rollcall.dev/v1alpha1/clusteragents"

// maxRequests is the number of concurrent requests that create ClusterAgents.
const maxRequests = 8

// buildFleet builds hack/fleet.
func (env *environment) buildFleet(ctx context.Context) error {
	env.logf("building hack/fleet")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", env.fleetBinary(), "rollcall.dev/rollcall/hack/fleet").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build hack/fleet: %w\n%s", err, out)
	}
	return nil
}

// fleetBinary returns the path of the binary of hack/fleet.
func (env *environment) fleetBinary() string { return filepath.Join(env.dir, "fleet") }

// startFleets starts both fleets, and registers their clusters.
func (env *environment) startFleets(ctx context.Context) error {
	return errors.Join(
		env.startFleet(ctx, "large-", "--agents", "1", "--containers", strconv.Itoa(largeContainers), "--nodes", strconv.Itoa(largeNodes), "--changes-per-second", "2"),
		env.startFleet(ctx, "shop-", "--agents", strconv.Itoa(manyClusters), "--containers", strconv.Itoa(manyContainers), "--nodes", "1"),
	)
}

// startFleet starts a fleet whose clusters have a name prefix, and registers them. The master
// connects to its agents only on demand. The fleet exits with this process.
func (env *environment) startFleet(ctx context.Context, prefix string, flags ...string) error {
	registry := filepath.Join(env.dir, prefix+"fleet.yaml")
	p, err := proc.Start(proc.Command{
		Executable: env.fleetBinary(), Home: env.dir, LogFile: filepath.Join(env.dir, "logs", prefix+"fleet.log"),
		Args: append([]string{
			"--name-prefix", prefix, "--first-port", "0", "--tls", "--write-registry", registry,
			"--mode", "OnDemand", "--request-period", "10s", "--cache-ttl", "1m", "--idle-refresh", "0s",
		}, flags...),
	})
	if err != nil {
		return err
	}
	env.fleets = append(env.fleets, p)
	if err := p.WaitReady(ctx, serving(p)); err != nil {
		return err
	}
	env.logf("fleet %s: registering clusters", prefix)
	return env.register(ctx, registry)
}

// serving returns a check that fails until a fleet has logged that it serves.
func serving(p *proc.Process) func(context.Context) error {
	return func(context.Context) error {
		log, err := os.ReadFile(p.LogFile)
		if err == nil && !strings.HasPrefix(string(log), "serving ") {
			err = errors.New("the fleet does not serve yet")
		}
		return err
	}
}

// register creates the ClusterAgents in a file.
func (env *environment) register(ctx context.Context, file string) error {
	manifests, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRequests)
	for manifest := range strings.SplitSeq(strings.TrimPrefix(string(manifests), "---\n"), "---\n") {
		group.Go(func() error {
			return env.hub.Client().Discovery().RESTClient().Post().AbsPath(clusterAgents).
				SetHeader("Content-Type", "application/yaml").Body([]byte(manifest)).Do(ctx).Error()
		})
	}
	return group.Wait()
}
