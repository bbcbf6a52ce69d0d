package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// serviceConverter converts Services to inputs of the facts.
type serviceConverter struct{ interner *interner }

// input converts a Service to an input of the facts.
func (c serviceConverter) input(service *serviceObject) *facts.ServiceInput {
	meta, spec := service.Slim.GetMetadata(), service.Slim.GetSpec()
	return &facts.ServiceInput{
		Namespace:             c.interner.intern(service.Namespace),
		Name:                  c.interner.intern(service.Name),
		UID:                   state.ParseUID(meta.GetUid()),
		CreatedAt:             stateTime(meta.GetCreationTimestamp()),
		Selector:              c.interner.labels(spec.GetSelector()),
		ClusterIP:             spec.GetClusterIp(),
		ExternalName:          spec.GetExternalName(),
		LoadBalancerIP:        spec.GetLoadBalancerIp(),
		Type:                  corev1.ServiceType(spec.GetType()),
		Headless:              spec.GetClusterIp() == corev1.ClusterIPNone,
		Ports:                 servicePorts(spec.GetPorts()),
		ExternalIPs:           spec.GetExternalIps(),
		Ingress:               ingress(service.Slim.GetStatus().GetLoadBalancer().GetIngress()),
		ExternalTrafficPolicy: trafficPolicy(spec.GetExternalTrafficPolicy()),
		HealthCheckNodePort:   port(spec.GetHealthCheckNodePort()),
	}
}

// servicePorts returns the ports of a Service.
func servicePorts(list []*slimpb.ServicePort) []facts.ServicePort {
	out := make([]facts.ServicePort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.ServicePort{
			Name:     p.GetName(),
			Protocol: protocol(p.GetProtocol()),
			Port:     port(p.GetPort()),
			NodePort: port(p.GetNodePort()),
		})
	}
	return out
}

// ingress returns the addresses of a load balancer: the IP of each ingress point, or its hostname if it has no
// IP.
func ingress(list []*slimpb.LoadBalancerIngress) []string {
	var out []string
	for _, i := range list {
		switch {
		case i.GetIp() != "":
			out = append(out, i.GetIp())
		case i.GetHostname() != "":
			out = append(out, i.GetHostname())
		}
	}
	return out
}
