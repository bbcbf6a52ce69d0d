package kube

import (
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	sandboxRuntime = "sandbox"
	holdFinalizer  = "kube.test/hold"
)

// oddObjects returns pods with problems or with unusual resources or ports, each named after its
// peculiarity.
func oddObjects() []any {
	main := container("main", "registry.example/app:1", "100m", "128Mi")
	helper := container("helper", "registry.example/helper:1", "10m", "16Mi")
	heldPod := bare(NamespaceOdd, "held", []corev1.Container{container("main", "registry.example/app:1", "50m", "", port("http", 8080))})
	heldPod.Finalizers, heldPod.Labels["app"] = []string{holdFinalizer}, "half-gone"

	return append([]any{
		deployment(NamespaceOdd, "crash-loop", 2, []corev1.Container{main, helper}, withBehavior(BehaviorCrashLoop)),
		deployment(NamespaceOdd, "image-pull", 1, []corev1.Container{main}, withBehavior(BehaviorImagePull)),
		deployment(NamespaceOdd, "not-ready", 2, []corev1.Container{
			container("main", "registry.example/app:1", "100m", "128Mi", port("http", 8080)), helper,
		}, withBehavior(BehaviorNotReady)),
		service(NamespaceOdd, "not-ready", "not-ready", asType(corev1.ServiceTypeNodePort), servicePort("http", 80, "http", 0)),
		bare(NamespaceOdd, "init", []corev1.Container{main}, withBehavior(BehaviorInit), withInit(
			container("wait", "registry.example/wait:1", "2", "64Mi"), container("proxy", "registry.example/envoy:1.35", "100m", "64Mi", sidecar))),
		bare(NamespaceOdd, "creating", []corev1.Container{main}, withBehavior(BehaviorCreating)),
		bare(NamespaceOdd, "evicted", []corev1.Container{main}, withBehavior(BehaviorEvicted)),
		bare(NamespaceOdd, "failed", []corev1.Container{main, helper}, withBehavior(BehaviorFailed)),
		bare(NamespaceOdd, "unschedulable", []corev1.Container{container("main", "registry.example/app:1", "1k", "1Gi")}),
		bare(NamespaceOdd, "no-such-node", []corev1.Container{main}, withSpec(func(s *corev1.PodSpec) {
			s.NodeSelector = map[string]string{"disk": "fast"}
		})),
		heldPod,
		deployment(NamespaceOdd, "half-gone", 1, []corev1.Container{
			container("main", "registry.example/app:1", "50m", "", port("http", 8080)),
		}),
		service(NamespaceOdd, "half-gone", "half-gone", asType(corev1.ServiceTypeNodePort), servicePort("http", 80, "http", 0)),
		bare(NamespaceOdd, "resized", []corev1.Container{main, helper}),
		bare(NamespaceOdd, "resizing", []corev1.Container{main, helper}),
		bare(NamespaceOdd, "debugged", []corev1.Container{main}),
	}, append(accountingObjects(), hostPortObjects()...)...)
}

// accountingObjects returns pods whose requests are not the sum of their containers' requests.
func accountingObjects() []any {
	return []any{
		&nodev1.RuntimeClass{
			ObjectMeta: metav1.ObjectMeta{Name: sandboxRuntime},
			Handler:    "kata",
			Overhead:   &nodev1.Overhead{PodFixed: quantities(corev1.ResourceCPU, "250m", corev1.ResourceMemory, "120Mi")},
		},
		deployment(NamespaceOdd, "overhead", 1, []corev1.Container{
			container("main", "registry.example/app:1", "100m", "128Mi", limits("200m", "256Mi")),
		}, withSpec(func(s *corev1.PodSpec) { s.RuntimeClassName = new(sandboxRuntime) })),
		deployment(NamespaceOdd, "pod-level", 1, []corev1.Container{
			container("main", "registry.example/app:1", "100m", "128Mi"),
			container("free", "registry.example/app:1", "", ""),
		}, withSpec(func(s *corev1.PodSpec) {
			s.Resources = &corev1.ResourceRequirements{
				Requests: quantities(corev1.ResourceCPU, "700m", corev1.ResourceMemory, "1Gi"),
				Limits:   quantities(corev1.ResourceCPU, "1500m", corev1.ResourceMemory, "2Gi"),
			}
		})),
		deployment(NamespaceOdd, "gpu", 2, []corev1.Container{
			container("train", "registry.example/train:5", "2", "8Gi", request(GPU, "1")),
		}, withSpec(func(s *corev1.PodSpec) {
			s.Tolerations = []corev1.Toleration{{Key: dedicated.Key, Operator: corev1.TolerationOpExists}}
		})),
		deployment(NamespaceOdd, "big-init", 1, []corev1.Container{container("main", "registry.example/app:1", "100m", "128Mi")},
			withInit(
				container("before", "registry.example/init:1", "3", "64Mi"),
				container("proxy", "registry.example/envoy:1.35", "200m", "256Mi", sidecar),
				container("after", "registry.example/init:1", "1", "2Gi"),
			)),
		deployment(NamespaceOdd, "scratch", 1, []corev1.Container{
			container("main", "registry.example/app:1", "", "", request(corev1.ResourceEphemeralStorage, "5Gi")),
		}),
		deployment(NamespaceOdd, "best-effort", 1, []corev1.Container{container("main", "registry.example/app:1", "", "")}),
	}
}

// hostPortObjects returns pods with host ports of node 0. They bypass the scheduler, which would not place the first
// two on one node.
func hostPortObjects() []any {
	return []any{
		onFirstNode("port-any", corev1.ContainerPort{ContainerPort: 80, HostPort: 18080}),
		onFirstNode("port-one", corev1.ContainerPort{ContainerPort: 80, HostPort: 18080, HostIP: "10.20.0.1"}),
		onFirstNode("port-udp", corev1.ContainerPort{ContainerPort: 80, HostPort: 18080, Protocol: corev1.ProtocolUDP}),
		onFirstNode("port-zero", corev1.ContainerPort{ContainerPort: 80, HostPort: 18081, HostIP: "0.0.0.0"}),
		onFirstNode("port-six", corev1.ContainerPort{ContainerPort: 80, HostPort: 18081, HostIP: "::"}),
		onFirstNode("port-node-port", corev1.ContainerPort{ContainerPort: 80, HostPort: ConflictNodePort}),
	}
}

// onFirstNode returns a pod with a port that is bound to node 0.
func onFirstNode(name string, port corev1.ContainerPort) *corev1.Pod {
	return bare(NamespaceOdd, name, []corev1.Container{
		container("main", "registry.example/app:1", "10m", "16Mi", declare(port)),
	}, withSpec(func(s *corev1.PodSpec) { s.NodeName = NodeName(0) }))
}
