package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/test/proc"
)

// Node is the real node of a cluster with Options.RealNode: a kubelet, containerd and kube-proxy. Containers run,
// probes are executed, and NodePorts accept connections. The whole cluster is in a separate network namespace. This
// host can reach it only at [Node.Address] and [Node.AddressV6], and it cannot reach other hosts, except nodes to which
// [Connect] links it. The methods are safe for concurrent use,
// except those that stop, kill and start the kubelet, which must not be called at the same time.
type Node struct {
	// Cluster is the cluster that the node belongs to.
	Cluster *Cluster
	// Name is the name of the Node object, Address its InternalIP.
	Name, Address string
	// AddressV6 is its second InternalIP; empty if this host has no IPv6.
	AddressV6 string
	// Program is the path of the executable in [ProgramImage], to build further images with it.
	Program string

	machine    *machine
	binaries   string
	containerd *proc.Process
	kubelet    *proc.Process // nil while it is stopped
	kubeProxy  *proc.Process
}

// StartRealNode starts a cluster with a real node for this test only, and returns when the node is ready. It skips the
// test if this host cannot run a real node, see [NeedRealNode].
func StartRealNode(t testing.TB, options Options) *Node {
	t.Helper()
	NeedRealNode(t)
	options.RealNode = true
	return Fresh(t, options).Node()
}

// NeedRealNode skips the test, with the reason, if this host cannot run a real node. In CI it fails the test
// instead.
func NeedRealNode(t testing.TB) {
	t.Helper()
	err := canRunRealNode()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("cannot run a real node on this host: %v", err)
	default:
		t.Skipf("cannot run a real node on this host: %v", err) //nolint:forbidigo // depends on the host; CI fails instead
	}
}

// canRunRealNode returns an error that names the requirements of a real node that this host does not meet.
func canRunRealNode() error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for namespaces, cgroups and network devices; run the tests as root")
	}
	var errs []error
	for _, needed := range []struct{ command, debianPackage string }{
		{"containerd", "containerd"},
		{"ctr", "containerd"},
		{"runc", "runc"},
		{"ip", "iproute2"},
		{"nft", "nftables"},
		{"iptables", "iptables"},
		{"conntrack", "conntrack"},
	} {
		if _, err := exec.LookPath(needed.command); err != nil {
			errs = append(errs, fmt.Errorf("%s is missing: apt-get install %s", needed.command, needed.debianPackage))
		}
	}
	if _, err := networkPlugins(); err != nil {
		errs = append(errs, err)
	}
	if _, err := os.Stat(tunnelDevice); err != nil {
		errs = append(errs, fmt.Errorf("the kernel has no TUN devices, for links between nodes: %w; load the module tun", err))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	m := &machine{}
	defer func() { removeCgroups(m.cgroups) }()
	return m.makeCgroups()
}

// networkPlugins returns the folder of the CNI plugins.
func networkPlugins() (string, error) {
	for _, folder := range []string{"/usr/lib/cni", "/opt/cni/bin"} {
		if _, err := os.Stat(filepath.Join(folder, "bridge")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("the CNI plugins are missing: apt-get install containernetworking-plugins")
}

// Node returns the real node of a cluster with Options.RealNode, or nil for other clusters.
func (c *Cluster) Node() *Node { return c.node }

// prepareNode starts the machine in which the cluster will run.
func (c *Cluster) prepareNode(ctx context.Context) error {
	binaries, err := NodeBinaries()
	if err != nil {
		return err
	}
	program, err := c.buildProgram()
	if err != nil {
		return err
	}
	m, err := startMachine(ctx, program, c.dir)
	if err != nil {
		return fmt.Errorf("start the machine of the real node: %w", err)
	}
	c.host = m.address
	c.node = &Node{
		Cluster: c, Name: strings.ToLower(c.Name) + "-node", Address: m.address, AddressV6: m.addressV6,
		Program: program, machine: m, binaries: binaries,
	}
	return nil
}

// start starts the node's processes. Kubelet and kube-proxy start after the API server.
func (n *Node) start(ctx context.Context, apiServer func(context.Context) error) error {
	group, starting := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := n.startContainerd(starting); err != nil {
			return err
		}
		if err := n.Import(starting, Image{Name: pauseImage, Program: n.Program, Args: []string{"pause"}}); err != nil {
			return err
		}
		return n.Import(starting, Image{Name: ProgramImage, Program: n.Program})
	})
	group.Go(func() error { return apiServer(starting) })
	if err := group.Wait(); err != nil {
		return err
	}
	if err := n.startKubeProxy(); err != nil {
		return err
	}
	return n.StartKubelet(ctx)
}

// WaitReady waits until the node is ready and accepts pods.
func (n *Node) WaitReady(ctx context.Context) error {
	if n.kubelet == nil {
		return errors.New("the kubelet is not running")
	}
	return n.kubelet.WaitReady(ctx, func(ctx context.Context) error {
		node, err := n.Cluster.client.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
		switch {
		case err != nil:
			return err
		case readyOf(node) != corev1.ConditionTrue:
			return fmt.Errorf("node %s is not ready: %v", n.Name, node.Status.Conditions)
		case len(node.Spec.Taints) > 0:
			return fmt.Errorf("node %s has taints: %v", n.Name, node.Spec.Taints)
		}
		return nil
	})
}

// Dial connects from inside the node, where pods, ClusterIPs and the node's loopback addresses are reachable. The
// address consists of an IP address and a port.
func (n *Node) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return n.machine.dial(ctx, nil, network, address)
}

// DialFrom is like Dial, on TCP from a source address that [Node.AddAddresses] has added.
func (n *Node) DialFrom(ctx context.Context, source, address string) (net.Conn, error) {
	ip := net.ParseIP(source)
	if ip == nil {
		return nil, fmt.Errorf("dial %s: the source %q is not an IP address", address, source)
	}
	return n.machine.dial(ctx, ip, "tcp", address)
}

// Listen listens on TCP at one of the node's addresses. Pods and the node can connect, this host cannot.
func (n *Node) Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := n.machine.listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("listen on the node at %s: %w", address, err)
	}
	return listener, nil
}

// AddAddresses adds source addresses for connections to pods. The node keeps them until it
// stops.
func (n *Node) AddAddresses(addresses ...string) error {
	for _, address := range addresses {
		if _, err := n.machine.output("ip", "address", "add", address, "dev", "lo"); err != nil {
			return fmt.Errorf("add an address to the node: %w", err)
		}
	}
	return nil
}

// PutStaticPod makes the kubelet run a static pod. Its name in the API ends with the node's
// name.
func (n *Node) PutStaticPod(pod *corev1.Pod) error {
	pod = pod.DeepCopy()
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	manifest, err := yaml.Marshal(pod)
	if err != nil {
		return fmt.Errorf("encode static pod %s: %w", pod.Name, err)
	}
	// The kubelet reads files as soon as they exist, so the file is renamed when it is complete.
	path, err := n.Cluster.dir.write(manifest, "static-pod-"+pod.Name+".new")
	if err != nil {
		return err
	}
	return os.Rename(path, n.staticPod(pod.Name))
}

// RemoveStaticPod removes a static pod.
func (n *Node) RemoveStaticPod(name string) error {
	return os.Remove(n.staticPod(name))
}

// staticPod returns the path of a static pod's manifest.
func (n *Node) staticPod(name string) string {
	return n.Cluster.dir.file(staticPodsFolder, name+".yaml")
}

// close ends all processes on the node, and the machine.
func (n *Node) close() {
	n.machine.close()
}
