package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

const (
	// The path is in /run, which each machine mounts separately, so that all machines have the same short path.
	containerdSocket = "/run/containerd/containerd.sock"
	// The native snapshotter copies an image's files for each container. It is slower than overlayfs for large images, but
	// works on any file system, including overlayfs.
	snapshotter = "native"
)

// containerdConfiguration is a format with these arguments, in this order: the folders of data and state, the socket,
// the image of the pause container, the snapshotter, and the folders of the CNI plugins and of their configuration.
const containerdConfiguration = `version = 2
root = %q
state = %q
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  restrict_oom_score_adj = true # a negative one needs CAP_SYS_RESOURCE
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %q
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
`

// startContainerd starts containerd and waits until it is ready.
func (n *Node) startContainerd(ctx context.Context) error {
	dir := n.Cluster.dir
	network, err := n.networkConfiguration()
	if err != nil {
		return err
	}
	if _, err := dir.write(network, "cni", "10-pods.conflist"); err != nil {
		return err
	}
	plugins, err := networkPlugins()
	if err != nil {
		return err
	}
	configuration := fmt.Appendf(nil, containerdConfiguration,
		dir.file("containerd"), "/run/containerd/state", containerdSocket, pauseImage, snapshotter, plugins, dir.file("cni"))
	file, err := dir.write(configuration, "containerd.toml")
	if err != nil {
		return err
	}
	executable, err := exec.LookPath("containerd")
	if err != nil {
		return fmt.Errorf("find containerd: %w", err)
	}
	if n.containerd, err = n.run(executable, "--config", file); err != nil {
		return err
	}
	return n.containerd.WaitReady(ctx, func(context.Context) error {
		_, err := n.ctr("version")
		return err
	})
}

// networkConfiguration returns the CNI configuration: a bridge with addresses of podCIDRs, and host ports.
func (n *Node) networkConfiguration() ([]byte, error) {
	ranges := [][]map[string]string{}
	for _, cidr := range n.podCIDRs() {
		ranges = append(ranges, []map[string]string{{"subnet": cidr}})
	}
	routes := []map[string]string{{"dst": "0.0.0.0/0"}, {"dst": "::/0"}}[:len(ranges)]
	return json.Marshal(map[string]any{
		"cniVersion": "0.4.0",
		"name":       "pods",
		"plugins": []map[string]any{
			{
				"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
				"ipam": map[string]any{
					"type":    "host-local",
					"ranges":  ranges,
					"routes":  routes,
					"dataDir": "/run/pod-addresses",
				},
			},
			{"type": "portmap", "capabilities": map[string]bool{"portMappings": true}},
		},
	})
}

// Import loads an image onto the node. Containers that use it must not set imagePullPolicy: Always.
func (n *Node) Import(ctx context.Context, image Image) error {
	archive, err := image.archive()
	if err != nil {
		return err
	}
	path, err := n.Cluster.dir.write(archive, "image-"+digest(archive)[:12]+".tar")
	if err != nil {
		return err
	}
	return n.ImportArchive(ctx, path, image.Name)
}

// ImportArchive loads an image from an archive, as `docker save` or hack/images.sh writes it, onto the node. The archive
// has an image of this name. Containers that use it must not set imagePullPolicy: Always.
func (n *Node) ImportArchive(ctx context.Context, file, name string) error {
	if _, err := n.ctr("images", "import", "--snapshotter="+snapshotter, file); err != nil {
		return fmt.Errorf("import image %s: %w", name, err)
	}
	// containerd's CRI plugin discovers and labels an image some time after the import.
	return n.containerd.WaitReady(ctx, func(context.Context) error {
		listed, err := n.ctr("images", "list", "--quiet", `labels."io.cri-containerd.image"==managed`)
		if err != nil {
			return err
		}
		if !slices.Contains(strings.Fields(listed), name) {
			return fmt.Errorf("the node does not have %s yet", name)
		}
		return nil
	})
}

// ctr runs containerd's client in the namespace of Kubernetes.
func (n *Node) ctr(args ...string) (string, error) {
	return n.machine.output("ctr", append([]string{"--address", containerdSocket, "--namespace", "k8s.io"}, args...)...)
}
