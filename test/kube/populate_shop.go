package kube

import (
	corev1 "k8s.io/api/core/v1"
)

// shopObjects returns healthy Deployments, which the Services of populate_services.go select.
func shopObjects() []any {
	return []any{
		deployment(NamespaceShop, "web", 4, []corev1.Container{
			container("nginx", "registry.example/nginx:1.29", "200m", "256Mi", limits("1", "512Mi"),
				port("http", 8080), port("https", 8443)),
		}, withInit(
			container("migrate", "registry.example/migrate:4.2", "500m", "128Mi"),
			container("proxy", "registry.example/envoy:1.35", "100m", "64Mi", limits("", "128Mi"), sidecar, port("metrics", 9901)),
		)),
		// Two versions of one app use different numbers for the same port name: one Service port, two EndpointSlices.
		deployment(NamespaceShop, "cart-blue", 3, []corev1.Container{
			container("cart", "registry.example/cart:1.0", "100m", "128Mi", port("api", 9000)),
		}, withCartLabel),
		deployment(NamespaceShop, "cart-green", 2, []corev1.Container{
			container("cart", "registry.example/cart:2.0", "100m", "128Mi", port("api", 9001)),
			container("log", "registry.example/fluent-bit:4.0", "10m", "", limits("", "64Mi")),
		}, withCartLabel),
		deployment(NamespaceShop, "dns", 2, []corev1.Container{
			container("dns", "registry.example/coredns:1.12", "50m", "64Mi",
				declare(corev1.ContainerPort{Name: "dns", ContainerPort: 5353, Protocol: corev1.ProtocolUDP}),
				declare(corev1.ContainerPort{Name: "dns-tcp", ContainerPort: 5353}),
				declare(corev1.ContainerPort{Name: "assoc", ContainerPort: 3868, Protocol: corev1.ProtocolSCTP})),
		}),
		// No container declares the target port of the Service, and both declare the same port.
		deployment(NamespaceShop, "legacy", 2, []corev1.Container{
			container("one", "registry.example/legacy:7", "", "", port("", 7000)),
			container("two", "registry.example/legacy:7", "", "", port("", 7000)),
		}),
	}
}

// withCartLabel adds the label that the Service cart selects.
func withCartLabel(t *corev1.PodTemplateSpec) {
	t.Labels["part-of"] = "cart"
}
