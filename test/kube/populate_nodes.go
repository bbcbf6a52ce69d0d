package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Indices of the nodes with a peculiarity. They are healthy at first, so that pods are scheduled on them.
const (
	gpuNode      = 1
	cordonedNode = 2
	notReadyNode = 3
)

// GPU is the extended resource of one node.
const GPU corev1.ResourceName = "nvidia.com/gpu"

// dedicated is the taint of the node with GPUs.
var dedicated = corev1.Taint{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}

// NodeName returns the name of the i-th node, from 0.
func NodeName(i int) string {
	return fmt.Sprintf("node-%03d", i)
}

// nodes returns the nodes of a scenario.
func nodes(count int) []any {
	var objects []any
	for i := range count {
		objects = append(objects, node(i))
	}
	addGPUs(objects[gpuNode].(*corev1.Node))
	return objects
}

// addGPUs taints a node and gives it GPUs.
func addGPUs(node *corev1.Node) {
	node.Spec.Taints = []corev1.Taint{dedicated}
	node.Status.Capacity[GPU] = resource.MustParse("4")
	node.Status.Allocatable[GPU] = resource.MustParse("4")
}

// node returns node i for kwok. Nodes differ in role, zone, size, kernel and
// addresses, as in real clusters.
func node(i int) *corev1.Node {
	name, role, zone := NodeName(i), "worker", fmt.Sprintf("eu-west-1%c", 'a'+i%3)
	if i == 0 {
		role = "control-plane"
	}
	capacity := quantities(corev1.ResourceCPU, "32", corev1.ResourceMemory, "128Gi",
		corev1.ResourceEphemeralStorage, "200Gi", corev1.ResourcePods, "250")
	allocatable := quantities(corev1.ResourceCPU, "31500m", corev1.ResourceMemory, "125Gi",
		corev1.ResourceEphemeralStorage, "180Gi", corev1.ResourcePods, "250")
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname:              name,
				corev1.LabelTopologyZone:          zone,
				corev1.LabelTopologyRegion:        "eu-west-1",
				corev1.LabelInstanceTypeStable:    []string{"m7.8xlarge", "c7.8xlarge"}[i%2],
				corev1.LabelArchStable:            "amd64",
				corev1.LabelOSStable:              "linux",
				"node-role.kubernetes.io/" + role: "",
			},
			Annotations: map[string]string{
				KwokAnnotation:                         "fake",
				"metrics.k8s.io/resource-metrics-path": "/metrics/nodes/" + name + "/metrics/resource",
			},
		},
		Spec: corev1.NodeSpec{
			PodCIDR:  fmt.Sprintf("10.%d.%d.0/24", 128+i/256, i%256),
			PodCIDRs: []string{fmt.Sprintf("10.%d.%d.0/24", 128+i/256, i%256), fmt.Sprintf("fd00:10:%x::/64", i+1)},
		},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: allocatable, Addresses: addresses(i),
			NodeInfo: corev1.NodeSystemInfo{
				Architecture: "amd64", OperatingSystem: "linux", OSImage: "Debian GNU/Linux 12 (bookworm)",
				KernelVersion: "6.1.0-32-amd64", ContainerRuntimeVersion: "containerd://2.1.4",
				KubeletVersion: []string{"v1.36.3", "v1.36.2"}[i%2],
			},
		},
	}
}

// addresses returns a node's addresses. metrics-server reaches kwok at the InternalDNS address.
func addresses(i int) []corev1.NodeAddress {
	list := []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("10.20.%d.%d", i/250, i%250+1)},
		{Type: corev1.NodeInternalIP, Address: fmt.Sprintf("fd00:20::%x", i+1)},
		{Type: corev1.NodeHostName, Address: NodeName(i)},
		{Type: corev1.NodeInternalDNS, Address: "localhost"},
	}
	if i < 100 {
		list = append(list, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: fmt.Sprintf("203.0.113.%d", i+100)})
	}
	return list
}

// Cordon sets whether a node is unschedulable.
func (c *Cluster) Cordon(ctx context.Context, node string, unschedulable bool) error {
	return c.patchNode(ctx, node, fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, unschedulable))
}

// SetNodeReady makes kwok report a node as ready or not ready.
func (c *Cluster) SetNodeReady(ctx context.Context, node string, ready bool) error {
	behavior := "null"
	if !ready {
		behavior = `"` + BehaviorNotReady + `"`
	}
	return c.patchNode(ctx, node, fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, BehaviorLabel, behavior))
}

// patchNode applies a merge patch to a node.
func (c *Cluster) patchNode(ctx context.Context, node, patch string) error {
	_, err := c.client.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("change node %s: %w", node, err)
	}
	return nil
}
