package kube

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/test/proc"
)

// Options selects the components of a cluster. The zero value is etcd and kube-apiserver, which start in about three
// seconds.
type Options struct {
	// Name distinguishes clusters in log lines and folder names. Default: "kube".
	Name string

	Scheduler         bool
	ControllerManager bool
	// Kwok simulates the kubelet of every node that has [KwokAnnotation].
	Kwok bool
	// MetricsServer serves metrics.k8s.io from the metrics of kwok and kubelets; it needs Kwok or RealNode.
	MetricsServer bool
	// RealNode runs the whole cluster in a separate network namespace, with Scheduler and ControllerManager and a node
	// that [Cluster.Node] returns. It requires root and the programs that [NeedRealNode] checks for.
	RealNode bool
	// NotReadyAfter is the time without a sign of the real kubelet after which its node is not ready. Default: that of
	// Kubernetes, 50 s.
	NotReadyAfter time.Duration
	// Audit writes the audit log that [Cluster.AuditFor] reads.
	Audit bool

	// APIServerFlags are additional flags of kube-apiserver, for example --oidc-issuer-url=….
	APIServerFlags []string

	// Dir is the folder for all files of the cluster. Close does not remove it. Default: a temporary folder that Close
	// removes.
	Dir string
	// Binaries is the folder with the executables. Default: the result of [Binaries].
	Binaries string
	// Log receives a line for each step. Default: no log.
	Log func(format string, args ...any)
}

// Cluster is a running cluster. Its methods are safe for concurrent use, except Close, StopAPIServer and
// StartAPIServer, which must not be called at the same time.
type Cluster struct {
	// Name is Options.Name.
	Name string
	// Kubeconfig is the path of the administrator's kubeconfig.
	Kubeconfig string

	options Options
	dir     *workdir
	ports   proc.Ports
	ca      *authority
	// host is the listen address of all servers.
	host string
	node *Node // nil without Options.RealNode

	// server is the API server's URL.
	server string
	// Configuration and clients of the administrator.
	admin    *rest.Config
	client   kubernetes.Interface
	metadata metadata.Interface

	etcd      *proc.Process
	apiServer *proc.Process
	others    []*proc.Process
}

// Start starts a cluster and returns when its API server is ready and, with a controller-manager, when pods can
// be created. If it fails, it stops all processes, and the error ends with the last lines of the failed process's log.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	c, err := newCluster(options)
	if err != nil {
		return nil, fmt.Errorf("prepare cluster: %w", err)
	}
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("start cluster %s: %w", c.Name, err)
	}
	return c, nil
}

// newCluster applies the defaults and creates the cluster's folder.
func newCluster(options Options) (*Cluster, error) {
	if options.Name == "" {
		options.Name = "kube"
	}
	if options.Log == nil {
		options.Log = func(string, ...any) {}
	}
	if options.MetricsServer && !options.Kwok && !options.RealNode {
		return nil, errors.New("Options.MetricsServer needs Kwok or RealNode, which serve the metrics that it reads")
	}
	if options.RealNode {
		options.Scheduler, options.ControllerManager = true, true
	}
	if options.Binaries == "" {
		binaries, err := Binaries()
		if err != nil {
			return nil, err
		}
		options.Binaries = binaries
	}
	dir, err := newWorkdir(options.Dir, options.Name)
	if err != nil {
		return nil, err
	}
	return &Cluster{Name: options.Name, options: options, dir: dir, host: "127.0.0.1"}, nil
}

// start starts all selected components.
func (c *Cluster) start(ctx context.Context) error {
	startedAt := time.Now()
	if c.options.RealNode {
		if err := c.prepareNode(ctx); err != nil {
			return err
		}
	}
	if err := c.prepareFiles(); err != nil {
		return err
	}
	start := c.startControlPlane
	if c.node != nil {
		start = func(ctx context.Context) error { return c.node.start(ctx, c.startControlPlane) }
	}
	if err := start(ctx); err != nil {
		return err
	}
	if err := c.startOthers(ctx); err != nil {
		return err
	}
	c.options.Log("cluster %s: up at %s in %.1f s", c.Name, c.admin.Host, time.Since(startedAt).Seconds())
	return nil
}

// startControlPlane starts etcd and the API server.
func (c *Cluster) startControlPlane(ctx context.Context) error {
	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	return c.StartAPIServer(ctx)
}

// startOthers starts the selected components that are clients of the API server.
func (c *Cluster) startOthers(ctx context.Context) error {
	steps := []struct {
		wanted bool
		start  func(context.Context) error
	}{
		{c.options.ControllerManager, c.startControllerManager},
		{c.options.Scheduler, c.startScheduler},
		{c.options.Kwok, c.startKwok},
		{c.options.MetricsServer, c.startMetricsServer},
		{c.options.ControllerManager, c.waitForServiceAccount},
		{c.options.RealNode, func(ctx context.Context) error { return c.node.WaitReady(ctx) }},
	}
	for _, step := range steps {
		if !step.wanted {
			continue
		}
		if err := step.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Close stops all processes, releases the ports and removes the temporary folder. It may be called more than once.
func (c *Cluster) Close() {
	for _, p := range c.others {
		p.Kill()
	}
	c.StopAPIServer()
	if c.etcd != nil {
		c.etcd.Kill()
	}
	if c.node != nil {
		c.node.close()
	}
	c.ports.Release()
	c.dir.remove()
}

// Config returns a client configuration of the cluster's administrator, without a client-side rate limit.
func (c *Cluster) Config() *rest.Config {
	return rest.CopyConfig(c.admin)
}

// Client returns a client of the cluster's administrator.
func (c *Cluster) Client() kubernetes.Interface {
	return c.client
}

// UID returns the UID of the kube-system namespace, which identifies a cluster.
func (c *Cluster) UID(ctx context.Context) (string, error) {
	namespace, err := c.client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the UID of cluster %s: %w", c.Name, err)
	}
	return string(namespace.UID), nil
}

// LogFile returns the path of the log of a process, given the name of its executable.
func (c *Cluster) LogFile(executable string) string {
	return c.dir.file("logs", executable+".log")
}

// executable returns the path of one of the cluster's executables.
func (c *Cluster) executable(name string) string {
	return filepath.Join(c.options.Binaries, name)
}

// run starts one of the cluster's executables. Its log is in the cluster's folder.
func (c *Cluster) run(name string, args ...string) (*proc.Process, error) {
	return c.runFile(c.executable(name), args...)
}

// runFile is like run, but takes the path of the executable.
func (c *Cluster) runFile(path string, args ...string) (*proc.Process, error) {
	name := filepath.Base(path)
	c.options.Log("cluster %s: starting %s", c.Name, name)
	command := proc.Command{Executable: path, Args: args, LogFile: c.LogFile(name), Home: c.dir.path}
	if c.node != nil {
		command.JoinNamespaces = c.node.machine.joinNamespaces
	}
	return proc.Start(command)
}
