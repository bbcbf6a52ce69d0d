package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// The range of node ports.
const (
	firstNodePort = 30000
	lastNodePort  = 32767
)

// addService creates a Service of a random type.
func (m *mutator) addService(ctx context.Context) error {
	name := fmt.Sprintf("added-%d-%d", m.count, m.random.IntN(1000))
	kind := []corev1.ServiceType{corev1.ServiceTypeNodePort, corev1.ServiceTypeClusterIP, corev1.ServiceTypeLoadBalancer}[m.random.IntN(3)]
	app := []string{"web", "legacy", "dns"}[m.random.IntN(3)]
	added := service(NamespaceShop, name, app, asType(kind), servicePort("http", 80, "8080", 0))
	_, err := m.client.CoreV1().Services(NamespaceShop).Create(ctx, added, metav1.CreateOptions{})
	return err
}

// removeService deletes a Service.
func (m *mutator) removeService(ctx context.Context) error {
	s, err := m.pickService(ctx, func(*corev1.Service) bool { return true })
	if err != nil {
		return err
	}
	return m.client.CoreV1().Services(s.Namespace).Delete(ctx, s.Name, metav1.DeleteOptions{})
}

// changeNodePort changes the node port of a Service.
func (m *mutator) changeNodePort(ctx context.Context) error {
	s, err := m.pickService(ctx, func(s *corev1.Service) bool { return len(s.Spec.Ports) > 0 && s.Spec.Ports[0].NodePort != 0 })
	if err != nil {
		return err
	}
	number := firstNodePort + m.random.IntN(lastNodePort-firstNodePort+1)
	patch := fmt.Sprintf(`[{"op":"replace","path":"/spec/ports/0/nodePort","value":%d}]`, number)
	err = m.patchService(ctx, s, types.JSONPatchType, patch)
	if apierrors.IsInvalid(err) {
		return errInapplicable // another Service has the port
	}
	return err
}

// flipTrafficPolicy changes a Service's externalTrafficPolicy.
func (m *mutator) flipTrafficPolicy(ctx context.Context) error {
	s, err := m.pickService(ctx, func(s *corev1.Service) bool {
		return s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer
	})
	if err != nil {
		return err
	}
	policy := corev1.ServiceExternalTrafficPolicyLocal
	if s.Spec.ExternalTrafficPolicy == policy {
		policy = corev1.ServiceExternalTrafficPolicyCluster
	}
	return m.patchService(ctx, s, types.MergePatchType, fmt.Sprintf(`{"spec":{"externalTrafficPolicy":%q}}`, policy))
}

// changeExternalIPs changes the external IPs of a Service.
func (m *mutator) changeExternalIPs(ctx context.Context) error {
	s, err := m.pickService(ctx, func(s *corev1.Service) bool {
		return s.Spec.Type == corev1.ServiceTypeClusterIP && s.Spec.ClusterIP != corev1.ClusterIPNone
	})
	if err != nil {
		return err
	}
	return m.patchService(ctx, s, types.MergePatchType,
		fmt.Sprintf(`{"spec":{"externalIPs":["198.51.100.%d"]}}`, 10+m.random.IntN(200)))
}

// changeIngress changes the address of a load balancer.
func (m *mutator) changeIngress(ctx context.Context) error {
	s, err := m.pickService(ctx, func(s *corev1.Service) bool { return s.Spec.Type == corev1.ServiceTypeLoadBalancer })
	if err != nil {
		return err
	}
	patch := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.%d"}]}}}`, 10+m.random.IntN(80))
	return m.patchService(ctx, s, types.MergePatchType, patch, "status")
}

// pickService returns a random Service of the scenario for which fits returns true.
func (m *mutator) pickService(ctx context.Context, fits func(*corev1.Service) bool) (*corev1.Service, error) {
	list, err := m.client.CoreV1().Services("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return pick(m, list.Items, func(s *corev1.Service) bool { return populated(s.Namespace) && fits(s) })
}

// patchService patches a Service or one of its subresources.
func (m *mutator) patchService(ctx context.Context, s *corev1.Service, kind types.PatchType, patch string, subresources ...string) error {
	_, err := m.client.CoreV1().Services(s.Namespace).
		Patch(ctx, s.Name, kind, []byte(patch), metav1.PatchOptions{}, subresources...)
	return err
}
