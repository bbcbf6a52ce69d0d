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
func (w *world) buildFleet(ctx context.Context) error {
	w.logf("building hack/fleet")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", w.fleetBinary(), "rollcall.dev/rollcall/hack/fleet").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build hack/fleet: %w\n%s", err, out)
	}
	return nil
}

// fleetBinary returns the path of the binary of hack/fleet.
func (w *world) fleetBinary() string { return filepath.Join(w.dir, "fleet") }

// startFleets starts both fleets, and registers their clusters.
func (w *world) startFleets(ctx context.Context) error {
	return errors.Join(
		w.startFleet(ctx, "large-", "--agents", "1", "--containers", strconv.Itoa(largeContainers), "--nodes", strconv.Itoa(largeNodes), "--changes-per-second", "2"),
		w.startFleet(ctx, "shop-", "--agents", strconv.Itoa(manyClusters), "--containers", strconv.Itoa(manyContainers), "--nodes", "1"),
	)
}

// startFleet starts a fleet whose clusters have a name prefix, and registers them. The master
// connects to its agents only on demand. The fleet exits with this process.
func (w *world) startFleet(ctx context.Context, prefix string, flags ...string) error {
	registry := filepath.Join(w.dir, prefix+"fleet.yaml")
	p, err := proc.Start(proc.Command{
		Executable: w.fleetBinary(), Home: w.dir, LogFile: filepath.Join(w.dir, "logs", prefix+"fleet.log"),
		Args: append([]string{
			"--name-prefix", prefix, "--first-port", "0", "--tls", "--write-registry", registry,
			"--mode", "OnDemand", "--request-period", "10s", "--cache-ttl", "1m", "--idle-refresh", "0s",
		}, flags...),
	})
	if err != nil {
		return err
	}
	w.fleets = append(w.fleets, p)
	if err := p.WaitReady(ctx, serving(p)); err != nil {
		return err
	}
	w.logf("fleet %s: registering clusters", prefix)
	return w.register(ctx, registry)
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
func (w *world) register(ctx context.Context, file string) error {
	manifests, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxRequests)
	for manifest := range strings.SplitSeq(strings.TrimPrefix(string(manifests), "---\n"), "---\n") {
		group.Go(func() error {
			return w.hub.Client().Discovery().RESTClient().Post().AbsPath(clusterAgents).
				SetHeader("Content-Type", "application/yaml").Body([]byte(manifest)).Do(ctx).Error()
		})
	}
	return group.Wait()
}
