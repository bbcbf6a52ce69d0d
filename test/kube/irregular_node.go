package kube

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const imagesPerNode = 40

// node returns node i, ready, with all fields that a cloud provider and a kubelet write.
func (r *Irregular) node(i int) *corev1.Node {
	zone := fmt.Sprintf("eu-west-1%c", 'a'+r.random.IntN(3))
	ip := fmt.Sprintf("10.%d.%d.%d", 16+i/50000, i/250%200, i%250+1)
	name := "ip-" + ip + "-" + r.suffix(5)
	size := []int{4, 8, 16, 32}[r.random.IntN(4)]
	cpu, memory := fmt.Sprint(size), fmt.Sprintf("%dKi", size*4<<20-r.random.IntN(1<<16))
	capacity := quantities(corev1.ResourceCPU, cpu, corev1.ResourceMemory, memory, corev1.ResourceEphemeralStorage, "104845292Ki", corev1.ResourcePods, "110")
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: name,
			Labels: map[string]string{
				corev1.LabelHostname: name, corev1.LabelTopologyZone: zone, corev1.LabelTopologyRegion: "eu-west-1",
				corev1.LabelInstanceTypeStable: fmt.Sprintf("m7.%dxlarge", size/4), corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux",
				"node-role.kubernetes.io/worker": "", "example.com/pool": fmt.Sprintf("pool-%d", r.random.IntN(12)),
			},
			Annotations: map[string]string{
				"csi.volume.kubernetes.io/nodeid": fmt.Sprintf(`{"ebs.csi.example.com":"i-%s"}`, r.hex(9)),
				"node.alpha.kubernetes.io/ttl":    "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true",
			},
		},
		Spec: corev1.NodeSpec{ProviderID: "cloud:///" + zone + "/i-" + r.hex(9), PodCIDR: fmt.Sprintf("100.%d.%d.0/24", 64+i/256%64, i%256)},
		Status: corev1.NodeStatus{
			Capacity: capacity, Allocatable: capacity.DeepCopy(), Conditions: r.nodeConditions(), Images: r.images(),
			Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}, {Type: corev1.NodeHostName, Address: name}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID: r.hex(16), SystemUUID: r.hex(16), BootID: r.hex(16), Architecture: "amd64", OperatingSystem: "linux",
				OSImage: "Debian GNU/Linux 12 (bookworm)", KernelVersion: fmt.Sprintf("6.1.0-%d-amd64", 30+r.random.IntN(3)),
				ContainerRuntimeVersion: "containerd://2.1.4", KubeletVersion: "v1.36.3",
			},
		},
	}
}

// nodeConditions returns the conditions of a ready node.
func (r *Irregular) nodeConditions() []corev1.NodeCondition {
	heartbeat, since := metav1.Now(), r.pastTime()
	condition := func(kind corev1.NodeConditionType, status corev1.ConditionStatus, reason, message string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: kind, Status: status, Reason: reason, Message: message, LastHeartbeatTime: heartbeat, LastTransitionTime: since}
	}
	return []corev1.NodeCondition{
		condition(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
		condition(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
		condition(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
		condition(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"),
	}
}

// images returns the list of pulled images for a node's status.
func (r *Irregular) images() []corev1.ContainerImage {
	images := make([]corev1.ContainerImage, imagesPerNode)
	for i := range images {
		repository := "registry.example/" + r.word() + "/" + r.word()
		images[i] = corev1.ContainerImage{
			Names: []string{repository + "@sha256:" + r.hex(32), repository + ":v1." + fmt.Sprint(r.random.IntN(40))}, SizeBytes: r.random.Int64N(1 << 30),
		}
	}
	return images
}

// pastTime returns a random time in the last thirty days, in whole seconds.
func (r *Irregular) pastTime() metav1.Time {
	return metav1.NewTime(time.Now().Add(-time.Duration(r.random.Int64N(int64(30 * 24 * time.Hour)))).Truncate(time.Second))
}
