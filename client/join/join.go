package join

import (
	"context"
	"fmt"
	"io"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"rollcall.dev/rollcall/api/jointoken"
	"rollcall.dev/rollcall/api/v1alpha1"
)

const (
	// dialTimeout is the time in which a master has to reach an agent that it dials.
	dialTimeout = 10 * time.Second
	// agentPort is the port of the agent's Service.
	agentPort = 7443
)

// Options are the settings of Join.
type Options struct {
	// Name is the name of the cluster.
	Name string
	// Token joins without access to the hub, unless it is nil. Name, Hub and the hub's settings are not used then.
	Token *jointoken.Token
	// Hub is the cluster of the masters, in HubNamespace, and Member the cluster that joins.
	Hub          *Cluster
	HubNamespace string
	Member       *Cluster
	// HubAddress is the URL at which the member reaches the masters, and HubServerName the name in their certificate.
	// By default, both are looked up in the hub.
	HubAddress, HubServerName string
	// Endpoint is the URL at which the masters reach the agent, and Expose the type of a Service that makes it reachable.
	// If both are empty, the agent dials the masters.
	Endpoint string
	Expose   corev1.ServiceType
	// ProxyURL, ImageRegistry and ImagePullSecret are settings of the agent; Labels are those of the ClusterAgent.
	ProxyURL, ImageRegistry, ImagePullSecret string
	Labels                                   map[string]string
	// Wait limits the time for the agent to start and to be connected.
	Wait   time.Duration
	DryRun DryRun
	// ForceConflicts takes fields over from other field managers.
	ForceConflicts bool
	// Out gets a line for each step. Objects gets the applied objects as YAML, unless it is nil.
	Out, Objects io.Writer
	// Ask asks the masters for the cluster's state. Nil means not to ask.
	Ask func(ctx context.Context, cluster string) (Answer, error)
}

// Answer describes the first answer about a cluster.
type Answer struct {
	Nodes, Pods, Bytes int
	// Stale is set if the masters have no current data.
	Stale bool
}

// reverse reports whether the agent dials the masters.
func (o *Options) reverse() bool { return o.Endpoint == "" && o.Expose == "" }

// joining is one run of Join.
type joining struct {
	Options
	run   run
	hub   hub
	facts hubFacts
	// uid is that of the member, registered its ClusterAgent before this run, or nil.
	uid        string
	registered *v1alpha1.ClusterAgent
	pin        string
	// podBefore is the agent's pod before this run, or "".
	podBefore types.UID
	// began is when the run began, applied when the agent's objects were applied.
	began, applied time.Time

	onMember, onHub *applier
}

// Join installs the agent in a member, registers it on the hub, and waits until masters get answers. Its output says
// what was checked, or what failed and what to do about it.
func Join(ctx context.Context, o Options) error {
	j := newJoining(o)
	if o.Token != nil {
		return j.byToken(ctx)
	}
	steps := []step{
		{"hub", j.checkHub},
		{"connection", j.chooseConnection},
		{"cluster", j.checkMember},
		{"name", j.checkName},
		{"rights", j.checkRights},
		{"metrics API", j.checkMetrics},
		{"objects", j.applyAgent},
		// The agent dials as soon as it runs, so it is registered before its pod is ready.
		{"agent's key", j.readPin},
		{"registration", j.register},
		{"agent", j.awaitAgent},
		{"link", j.awaitConnection},
		{"first answer", j.awaitAnswer},
	}
	if err := j.run.execute(ctx, steps); err != nil {
		return err
	}
	return j.finish()
}

func newJoining(o Options) *joining {
	j := &joining{Options: o, run: run{out: o.Out}, hub: hub{o.Hub, o.HubNamespace}, began: time.Now()}
	j.onMember = &applier{run: &j.run, cluster: o.Member, dryRun: o.DryRun, force: o.ForceConflicts}
	j.onHub = &applier{run: &j.run, cluster: o.Hub, dryRun: o.DryRun, force: o.ForceConflicts}
	return j
}

// finish prints the objects and the last line.
func (j *joining) finish() error {
	if j.Objects != nil {
		if err := writeObjects(j.Objects, "cluster "+j.Name, j.onMember.applied); err != nil {
			return err
		}
		if err := writeObjects(j.Objects, "hub", j.onHub.applied); err != nil {
			return err
		}
	}
	if j.DryRun != DryRunNone {
		fmt.Fprintf(j.Out, "\nNothing was changed (--dry-run=%s).\n", j.DryRun)
		return nil
	}
	see := " See it by: kubectl rollcall status " + j.Name
	if j.Token != nil {
		see = ""
	}
	fmt.Fprintf(j.Out, "\n%s has joined, in %s.%s\n", j.Name, seconds(time.Since(j.began)), see)
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
