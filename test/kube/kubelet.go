package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"rollcall.dev/rollcall/test/proc"
)

const (
	kubeletPairFile     = "pki/kubelet-client"
	staticPodsFolder    = "static-pods"
	kubeletHealthPort   = 10248
	kubeletStopTimeout  = 20 * time.Second
	podCIDR             = "10.244.0.0/24"
	podCIDRV6           = "fd00:244::/64"
	nodeUserPrefix      = "system:node:"
	nodeGroup           = "system:nodes"
	kubeProxyUser       = "system:kube-proxy"
	kubeletClientUser   = "kube-apiserver-kubelet-client"
	serviceIPOfTheAPI   = "10.96.0.1"
	clusterDNSServiceIP = "10.96.0.10"
)

// StartKubelet starts the kubelet again after [Node.StopKubelet] or [Node.KillKubelet]. It returns when the kubelet's
// health check succeeds; the Node object can become ready later, see [Node.WaitReady].
func (n *Node) StartKubelet(ctx context.Context) error {
	if n.kubelet != nil {
		return errors.New("the kubelet is running")
	}
	c := n.Cluster
	configuration, err := n.kubeletConfiguration()
	if err != nil {
		return err
	}
	_, kubeconfig, err := c.User(nodeUserPrefix+n.Name, nodeGroup)
	if err != nil {
		return err
	}
	n.kubelet, err = n.run(filepath.Join(n.binaries, "kubelet"),
		"--config="+configuration,
		"--kubeconfig="+kubeconfig,
		"--root-dir="+c.dir.file("kubelet"),
		"--cert-dir="+c.dir.file("kubelet", "pki"),
		"--hostname-override="+n.Name,
		"--node-ip="+strings.Join(n.addresses(), ","),
	)
	if err != nil {
		return err
	}
	health := fmt.Sprintf("http://%s:%d/healthz", n.Address, kubeletHealthPort)
	return n.kubelet.WaitReady(ctx, func(ctx context.Context) error { return probeHTTP(ctx, health) })
}

// addresses returns the node's addresses, of one or of both IP families.
func (n *Node) addresses() []string {
	if n.AddressV6 == "" {
		return []string{n.Address}
	}
	return []string{n.Address, n.AddressV6}
}

// podCIDRs returns the ranges of the pods' addresses, one for each of [Node.addresses].
func (n *Node) podCIDRs() []string {
	return []string{podCIDR, podCIDRV6}[:len(n.addresses())]
}

// StopKubelet stops the kubelet with SIGTERM, as a service manager does. Containers keep running.
func (n *Node) StopKubelet(ctx context.Context) error {
	if n.kubelet == nil {
		return errors.New("the kubelet is not running")
	}
	ctx, cancel := context.WithTimeout(ctx, kubeletStopTimeout)
	defer cancel()
	err := n.kubelet.Stop(ctx)
	n.kubelet = nil
	return err
}

// KillKubelet kills the kubelet with SIGKILL, like a crash. Containers keep running.
func (n *Node) KillKubelet() {
	if n.kubelet != nil {
		n.kubelet.Kill()
		n.kubelet = nil
	}
}

// kubeletConfiguration writes the kubelet's configuration and returns its path.
func (n *Node) kubeletConfiguration() (string, error) {
	c := n.Cluster
	staticPods := c.dir.file(staticPodsFolder)
	if err := os.MkdirAll(staticPods, 0o700); err != nil {
		return "", fmt.Errorf("create the folder of static pods: %w", err)
	}
	resolver, err := c.dir.write(nil, "resolv.conf") // without a name server, so that no query leaves the machine
	if err != nil {
		return "", err
	}
	leaseDuration := 40 * time.Second // the kubelet's default; it renews the Lease four times as often
	if after := c.options.NotReadyAfter; after > 0 {
		leaseDuration = after / 2
	}
	return n.writeYAML("kubelet.yaml", map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.dir.file(caFile)},
		},
		"authorization":               map[string]any{"mode": "Webhook"},
		"address":                     n.Address,
		"healthzBindAddress":          n.Address,
		"healthzPort":                 kubeletHealthPort,
		"nodeLeaseDurationSeconds":    int(leaseDuration.Seconds()),
		"cgroupDriver":                "cgroupfs",
		"cgroupRoot":                  n.machine.cgroup(),
		"failCgroupV1":                false,
		"failSwapOn":                  false,
		"oomScoreAdj":                 0, // a negative value needs CAP_SYS_RESOURCE
		"containerRuntimeEndpoint":    "unix://" + containerdSocket,
		"staticPodPath":               staticPods,
		"podLogsDir":                  c.dir.file("pod-logs"),
		"resolvConf":                  resolver,
		"clusterDNS":                  []string{clusterDNSServiceIP},
		"clusterDomain":               "cluster.local",
		"evictionHard":                map[string]string{"memory.available": "20Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
		"imageGCHighThresholdPercent": 100,
		"volumeStatsAggPeriod":        "5s", // a pod that exceeds the limit of a volume is evicted soon
	})
}

// startKubeProxy starts kube-proxy with nftables.
func (n *Node) startKubeProxy() error {
	_, kubeconfig, err := n.Cluster.User(kubeProxyUser)
	if err != nil {
		return err
	}
	configuration, err := n.writeYAML("kube-proxy.yaml", map[string]any{
		"apiVersion":         "kubeproxy.config.k8s.io/v1alpha1",
		"kind":               "KubeProxyConfiguration",
		"mode":               "nftables",
		"clientConnection":   map[string]any{"kubeconfig": kubeconfig},
		"clusterCIDR":        strings.Join(n.podCIDRs(), ","),
		"hostnameOverride":   n.Name,
		"oomScoreAdj":        0,
		"conntrack":          map[string]any{"maxPerCore": 0, "min": 0}, // keeps the host's limit
		"healthzBindAddress": n.Address + ":10256",
		"metricsBindAddress": n.Address + ":10249",
	})
	if err != nil {
		return err
	}
	n.kubeProxy, err = n.run(filepath.Join(n.binaries, "kube-proxy"), "--config="+configuration)
	return err
}

// run starts a process in the node's machine.
func (n *Node) run(executable string, args ...string) (*proc.Process, error) {
	return n.Cluster.runFile(executable, args...)
}

// writeYAML writes a YAML file into the cluster's folder and returns its path.
func (n *Node) writeYAML(file string, content any) (string, error) {
	encoded, err := yaml.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", file, err)
	}
	return n.Cluster.dir.write(encoded, file)
}
