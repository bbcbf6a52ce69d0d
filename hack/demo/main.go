// Demo runs a hub and two member clusters on this machine, each a real kube-apiserver
// and etcd with scheduler, controller-manager, kwok and metrics-server. It runs a master and
// two agents from the real binaries, and prints what they report. Ctrl-C stops all processes and
// removes all files. With -once it checks the output and exits.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"rollcall.dev/rollcall/api/version"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/stack"
)

// startTimeout is the timeout for starting everything, after the binaries are built.
const startTimeout = 5 * time.Minute

func main() {
	once := flag.Bool("once", false, "check the output and exit")
	showVersion := flag.Bool("version", false, version.Usage)
	flag.Parse()
	if *showVersion {
		fmt.Print(version.Text("demo"))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Ctrl-C is the way to end the demo, so what it interrupts is no error.
	if err := run(ctx, *once); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// run starts everything, prints the state of the clusters, and waits for Ctrl-C. With once it checks the output
// instead of waiting.
func run(ctx context.Context, once bool) (err error) {
	dir, err := os.MkdirTemp("", "rollcall-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{dir: dir, startedAt: time.Now()}
	defer func() { err = errors.Join(err, d.close()) }()
	if err := d.build(ctx); err != nil {
		return err
	}
	d.startedAt = time.Now()
	starting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := d.start(starting); err != nil {
		return err
	}
	printed, err := d.show(starting)
	if err != nil {
		return err
	}
	if once {
		return errors.Join(printed.check(), d.runCommands(starting))
	}
	if err := d.printCommands(); err != nil {
		return err
	}
	<-ctx.Done()
	d.log("stopping")
	return nil
}

// members has the names of the member clusters.
var members = []string{"prod-eu", "prod-us"}

// demo has all running processes.
type demo struct {
	dir       string
	startedAt time.Time
	binaries  string

	stack *stack.Stack
	// authority is the file of the CA certificate that verifies the master.
	authority string

	hub    *kube.Cluster
	member [2]*kube.Cluster
	master *stack.Master
	agent  [2]*stack.Agent
}

// log prints a line with the seconds since the start to stderr.
func (d *demo) log(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%5.1fs  %s\n", time.Since(d.startedAt).Seconds(), fmt.Sprintf(format, args...))
}

// build gets the binaries of Kubernetes, and builds those of Rollcall.
func (d *demo) build(ctx context.Context) (err error) {
	d.log("getting the binaries of Kubernetes (the first time they are downloaded or built)")
	if d.binaries, err = kube.Binaries(); err != nil {
		return err
	}
	if d.stack, err = stack.New(ctx, stack.Options{Dir: d.dir, Log: d.log}); err != nil {
		return err
	}
	return d.stack.Build(ctx, "kubectl-rollcall")
}

// start starts hub and members at the same time, each with its master or agent, and
// registers the members.
func (d *demo) start(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		if d.hub, err = d.cluster(ctx, "hub"); err != nil {
			return err
		}
		certificate, key, authority, err := d.hub.ServingCertificate("rollcall-master", net.IPv4(127, 0, 0, 1))
		if err != nil {
			return err
		}
		d.authority = authority
		d.master, err = d.stack.StartMaster(ctx, d.hub, "--tls-cert-file", certificate, "--tls-key-file", key)
		return err
	})
	for i, name := range members {
		g.Go(func() (err error) {
			if d.member[i], err = d.cluster(ctx, name); err != nil {
				return err
			}
			if err := kube.Populate(ctx, d.member[i], kube.Scenario{Nodes: 5, Pods: 20, Seed: uint64(i)}); err != nil {
				return err
			}
			d.agent[i], err = d.stack.StartAgent(ctx, d.member[i], name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return d.register()
}

// cluster starts a cluster with all components.
func (d *demo) cluster(ctx context.Context, name string) (*kube.Cluster, error) {
	return kube.Start(ctx, kube.Options{
		Name: name, Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true, Binaries: d.binaries, Log: d.log,
	})
}

// register applies a ClusterAgent for each member.
func (d *demo) register() error {
	for i, a := range d.agent {
		manifest := a.Manifest("") + fmt.Sprintf("  clusterIPs: [203.0.113.%d]\n", i+1)
		d.log("kubectl apply ClusterAgent %s", a.Cluster)
		if _, err := d.hub.KubectlInput(manifest, "apply", "-f", "-"); err != nil {
			return err
		}
	}
	return nil
}

// close stops all processes that have started.
func (d *demo) close() error {
	var err error
	if d.stack != nil {
		err = d.stack.Close()
	}
	for _, c := range []*kube.Cluster{d.hub, d.member[0], d.member[1]} {
		if c != nil {
			c.Close()
		}
	}
	return err
}
