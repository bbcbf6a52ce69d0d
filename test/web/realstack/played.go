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

// How much hack/fleet plays, by the agent's real wire code: many clusters, whose names come
// behind all others, and a large one.
const (
	manyClusters, manyContainers = 1000, 4
	largeContainers, largeNodes  = 10_000, 100
)

const clusterAgents = "/apis/rollcall.dev/v1alpha1/clusteragents"

// registering is how many ClusterAgents are made at once.
const registering = 8

func (w *world) buildFleet(ctx context.Context) error {
	w.say("building hack/fleet")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", w.fleet(), "rollcall.dev/rollcall/hack/fleet").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build hack/fleet: %w\n%s", err, out)
	}
	return nil
}

func (w *world) fleet() string { return filepath.Join(w.dir, "fleet") }

// playFleets starts both and registers them.
func (w *world) playFleets(ctx context.Context) error {
	return errors.Join(
		w.play(ctx, "large-", "--agents", "1", "--containers", strconv.Itoa(largeContainers), "--nodes", strconv.Itoa(largeNodes), "--changes-per-second", "2"),
		w.play(ctx, "shop-", "--agents", strconv.Itoa(manyClusters), "--containers", strconv.Itoa(manyContainers), "--nodes", "1"),
	)
}

// play starts a fleet whose clusters' names begin so. It ends with this process. Nobody
// calls its agents before somebody wants them.
func (w *world) play(ctx context.Context, prefix string, flags ...string) error {
	registry := filepath.Join(w.dir, prefix+"fleet.yaml")
	p, err := proc.Start(proc.Command{
		Executable: w.fleet(), Home: w.dir, LogFile: filepath.Join(w.dir, "logs", prefix+"fleet.log"),
		Args: append([]string{
			"--name-prefix", prefix, "--first-port", "0", "--tls", "--write-registry", registry,
			"--mode", "OnDemand", "--request-period", "10s", "--cache-ttl", "1m", "--idle-refresh", "0s",
		}, flags...),
	})
	if err != nil {
		return err
	}
	w.played = append(w.played, p)
	if err := p.WaitReady(ctx, serves(p)); err != nil {
		return err
	}
	w.say("fleet %s: registering", prefix)
	return w.register(ctx, registry)
}

// serves returns a check that a fleet has printed that it serves.
func serves(p *proc.Process) func(context.Context) error {
	return func(context.Context) error {
		said, err := os.ReadFile(p.LogFile)
		if err == nil && !strings.HasPrefix(string(said), "serving ") {
			err = errors.New("it does not serve yet")
		}
		return err
	}
}

// register applies the ClusterAgents in a file.
func (w *world) register(ctx context.Context, file string) error {
	manifests, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(registering)
	for manifest := range strings.SplitSeq(strings.TrimPrefix(string(manifests), "---\n"), "---\n") {
		group.Go(func() error {
			return w.hub.Client().Discovery().RESTClient().Post().AbsPath(clusterAgents).
				SetHeader("Content-Type", "application/yaml").Body([]byte(manifest)).Do(ctx).Error()
		})
	}
	return group.Wait()
}
