package kube

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Node ports that the scenario sets; the API server chooses all others.
const (
	WebNodePort      = 30080
	DNSNodePort      = 30053
	ConflictNodePort = 31234 // also the hostPort of a pod, which the scheduler does not check
)

// serviceObjects returns Services of every type and with every kind of port, and EndpointSlices for
// the one without a selector.
func serviceObjects() []any {
	udp := withProtocol(corev1.ProtocolUDP, servicePort("dns", 53, "dns", DNSNodePort))
	tcp := servicePort("dns-tcp", 53, "dns-tcp", DNSNodePort)
	sctp := withProtocol(corev1.ProtocolSCTP, servicePort("assoc", 3868, "assoc", 0))
	cart := service(NamespaceShop, "cart", "", func(s *corev1.ServiceSpec) {
		s.Type, s.Selector = corev1.ServiceTypeNodePort, map[string]string{"part-of": "cart"}
		s.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	}, servicePort("", 80, "api", 0))

	return append([]any{
		service(NamespaceShop, "web", "web", asType(corev1.ServiceTypeNodePort),
			servicePort("http", 80, "http", WebNodePort), servicePort("https", 443, "8443", 0)),
		cart,
		service(NamespaceShop, "dns", "dns", dualStack(corev1.ServiceTypeNodePort), udp, tcp, sctp),
		service(NamespaceShop, "legacy", "legacy", asType(corev1.ServiceTypeNodePort),
			servicePort("admin", 7001, "7001", 0), servicePort("main", 7000, "7000", ConflictNodePort)),
		service(NamespaceShop, "public", "web", asType(corev1.ServiceTypeLoadBalancer), servicePort("http", 80, "http", 0)),
		service(NamespaceShop, "public-local", "web", localLoadBalancer, servicePort("http", 80, "http", 0)),
		service(NamespaceShop, "public-direct", "web", directLoadBalancer, servicePort("https", 443, "https", 0)),
		service(NamespaceShop, "external-ip", "web", func(s *corev1.ServiceSpec) {
			s.ExternalIPs = []string{"198.51.100.7", "198.51.100.8"}
		}, servicePort("http", 8080, "http", 0)),
		service(NamespaceShop, "internal", "web", dualStack(corev1.ServiceTypeClusterIP), servicePort("http", 80, "http", 0)),
		service(NamespaceShop, "headless", "web", func(s *corev1.ServiceSpec) { s.ClusterIP = corev1.ClusterIPNone },
			servicePort("http", 80, "http", 0)),
		service(NamespaceShop, "empty", "nobody", asType(corev1.ServiceTypeNodePort), servicePort("http", 80, "http", 0)),
		&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: NamespaceShop, Name: "elsewhere"},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "shop.example.com"},
		},
	}, outsideObjects()...)
}

// outsideObjects returns a Service without a selector and its EndpointSlices: external
// addresses, one of which is terminating, and a slice whose port has no number.
func outsideObjects() []any {
	outside := service(NamespaceShop, "outside", "", func(s *corev1.ServiceSpec) {
		s.Type, s.Selector = corev1.ServiceTypeNodePort, nil
	}, servicePort("db", 5432, "5432", 0))
	return []any{
		outside,
		slice("outside-1", discoveryv1.EndpointPort{Name: new("db"), Port: new(int32(5432)), Protocol: new(corev1.ProtocolTCP)},
			discoveryv1.Endpoint{Addresses: []string{"192.0.2.10"}},
			discoveryv1.Endpoint{Addresses: []string{"192.0.2.11"}, Conditions: discoveryv1.EndpointConditions{
				Ready: new(false), Serving: new(true), Terminating: new(true),
			}},
			discoveryv1.Endpoint{Addresses: []string{"192.0.2.12"}, Conditions: discoveryv1.EndpointConditions{Ready: new(false)}}),
		slice("outside-2", discoveryv1.EndpointPort{Name: new("db"), Port: new(int32(5433)), Protocol: new(corev1.ProtocolTCP)},
			discoveryv1.Endpoint{Addresses: []string{"192.0.2.10"}}),
		slice("outside-any", discoveryv1.EndpointPort{Name: new("db")},
			discoveryv1.Endpoint{Addresses: []string{"192.0.2.13"}}),
	}
}

// slice returns an EndpointSlice of the Service outside.
func slice(name string, port discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: NamespaceShop, Name: name,
			Labels: map[string]string{discoveryv1.LabelServiceName: "outside", discoveryv1.LabelManagedBy: "hand"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{port},
		Endpoints:   endpoints,
	}
}

// withProtocol returns the port with a protocol.
func withProtocol(protocol corev1.Protocol, port corev1.ServicePort) corev1.ServicePort {
	port.Protocol = protocol
	return port
}

// asType sets the type of a Service.
func asType(kind corev1.ServiceType) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) { s.Type = kind }
}

// dualStack sets the type of a Service and requires both IP families.
func dualStack(kind corev1.ServiceType) func(*corev1.ServiceSpec) {
	return func(s *corev1.ServiceSpec) {
		s.Type, s.IPFamilyPolicy = kind, new(corev1.IPFamilyPolicyRequireDualStack)
	}
}

// localLoadBalancer configures a load balancer with node ports and a health check node port.
func localLoadBalancer(s *corev1.ServiceSpec) {
	s.Type, s.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
}

// directLoadBalancer configures a load balancer without node ports.
func directLoadBalancer(s *corev1.ServiceSpec) {
	s.Type, s.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, new(false)
}

// provideLoadBalancers writes addresses to the status of Services of type LoadBalancer, as a cloud provider does.
func (c *Cluster) provideLoadBalancers(ctx context.Context) error {
	for name, ingress := range map[string]string{
		"public":        `[{"ip":"203.0.113.10"},{"hostname":"lb-10.example.com"}]`,
		"public-local":  `[{"ip":"203.0.113.11"},{"ip":"2001:db8::11"}]`,
		"public-direct": `[{"hostname":"lb-12.example.com"}]`,
	} {
		patch := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":%s}}}`, ingress)
		_, err := c.client.CoreV1().Services(NamespaceShop).
			Patch(ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		if err != nil {
			return fmt.Errorf("set the address of Service %s: %w", name, err)
		}
	}
	return nil
}
