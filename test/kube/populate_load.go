package kube

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
)

const podsPerNamespace = 250

// LoadNamespaces returns the namespaces of a scenario's regular pods.
func LoadNamespaces(s Scenario) []string {
	var names []string
	for i := range (s.Pods + podsPerNamespace - 1) / podsPerNamespace {
		names = append(names, fmt.Sprintf("load-%d", i+1))
	}
	return names
}

// loadObjects returns random Deployments and Services. The Deployments have the scenario's number of pods in
// total.
func loadObjects(s Scenario) []any {
	random := rand.New(rand.NewPCG(s.Seed, 1))
	var objects []any
	for i, namespace := range LoadNamespaces(s) {
		left := min(podsPerNamespace, s.Pods-i*podsPerNamespace)
		for n := 1; left > 0; n++ {
			replicas := min(left, 1+random.IntN(24))
			left -= replicas
			objects = append(objects, loadApp(random, namespace, fmt.Sprintf("app-%02d", n), replicas)...)
		}
	}
	return objects
}

// loadApp returns a Deployment with random containers and, for some, its Service.
func loadApp(random *rand.Rand, namespace, name string, replicas int) []any {
	cpu, memory := fmt.Sprintf("%dm", 10*(1+random.IntN(20))), fmt.Sprintf("%dMi", 16*(1+random.IntN(16)))
	image := fmt.Sprintf("registry.example/team-%d/%s:1.%d", random.IntN(5), name, random.IntN(40))
	containers := []corev1.Container{container("app", image, cpu, memory, port("http", 8080), port("metrics", 9090))}
	if random.IntN(3) == 0 {
		containers = append(containers, container("log", "registry.example/fluent-bit:4.0", "5m", "24Mi", limits("", "48Mi")))
	}
	var before []corev1.Container
	if random.IntN(4) == 0 {
		before = append(before, container("init", image, "100m", "32Mi"))
	}
	if random.IntN(4) == 0 {
		before = append(before, container("proxy", "registry.example/envoy:1.35", "20m", "40Mi", sidecar, port("admin", 9901)))
	}
	objects := []any{deployment(namespace, name, replicas, containers, withInit(before...))}
	if kind, ok := loadServiceType(random); ok {
		objects = append(objects, service(namespace, name, name, asType(kind), servicePort("http", 80, "http", 0)))
	}
	return objects
}

// loadServiceType returns a Service type for two thirds of the apps; a third of those is NodePort.
func loadServiceType(random *rand.Rand) (corev1.ServiceType, bool) {
	switch random.IntN(9) {
	case 0, 1:
		return corev1.ServiceTypeNodePort, true
	case 2, 3, 4, 5:
		return corev1.ServiceTypeClusterIP, true
	default:
		return "", false
	}
}
