package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// ServiceInput is what the facts need of a Service.
func ServiceInput(service *corev1.Service) *facts.ServiceInput {
	spec := &service.Spec
	return &facts.ServiceInput{
		Namespace:             service.Namespace,
		Name:                  service.Name,
		Type:                  spec.Type,
		Headless:              spec.ClusterIP == corev1.ClusterIPNone,
		Ports:                 servicePorts(spec.Ports),
		ExternalIPs:           spec.ExternalIPs,
		Ingress:               ingress(service.Status.LoadBalancer.Ingress),
		ExternalTrafficPolicy: trafficPolicy(spec.ExternalTrafficPolicy),
		HealthCheckNodePort:   port(spec.HealthCheckNodePort),
	}
}

func servicePorts(list []corev1.ServicePort) []facts.ServicePort {
	out := make([]facts.ServicePort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.ServicePort{
			Name:     p.Name,
			Protocol: protocol(p.Protocol),
			Port:     port(p.Port),
			NodePort: port(p.NodePort),
		})
	}
	return out
}

// ingress are the addresses of a load balancer: IPs, or hostnames where it has none.
func ingress(list []corev1.LoadBalancerIngress) []string {
	var out []string
	for _, i := range list {
		switch {
		case i.IP != "":
			out = append(out, i.IP)
		case i.Hostname != "":
			out = append(out, i.Hostname)
		}
	}
	return out
}
