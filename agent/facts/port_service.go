package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// servicePorts returns the rows of a Service: its node ports, its health check port, and its
// ports on each load balancer address and external IP. Headless and ExternalName Services have
// none.
func servicePorts(in *ServiceInput) []*state.Port {
	if in.Headless || in.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var rows []*state.Port
	for _, port := range in.Ports {
		rows = append(rows, nodePort(in, port)...)
		rows = append(rows, addressed(in, port, state.ExternalIP, in.ExternalIPs)...)
		if in.Type == corev1.ServiceTypeLoadBalancer {
			rows = append(rows, addressed(in, port, state.LoadBalancer, in.Ingress)...)
		}
	}
	return append(rows, healthCheckPort(in)...)
}

// nodePort returns the row of an allocated node port, on all nodes. Allocation counts: a load
// balancer with allocateLoadBalancerNodePorts off gets no node port by default, but keeps one
// that was requested by number or existed before, and kube-proxy serves it. The node addresses
// that kube-proxy uses are its own setting (--nodeport-addresses) and not in the API, so the
// row means all addresses.
func nodePort(in *ServiceInput, port ServicePort) []*state.Port {
	if port.NodePort == 0 || in.Type != corev1.ServiceTypeNodePort && in.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	row := serviceRow(in, port)
	row.Node, row.Port, row.Kind = state.AllNodes, port.NodePort, state.NodePort
	return []*state.Port{row}
}

// addressed returns the rows of a service port on addresses that do not belong to nodes. They
// are on all nodes, since kube-proxy accepts traffic for them on every node.
func addressed(in *ServiceInput, port ServicePort, kind state.PortKind, addresses []string) []*state.Port {
	var rows []*state.Port
	for _, address := range addresses {
		row := serviceRow(in, port)
		row.Node, row.Address, row.Port, row.Kind = state.AllNodes, hostAddress(address), port.Port, kind
		rows = append(rows, row)
	}
	return rows
}

func serviceRow(in *ServiceInput, port ServicePort) *state.Port {
	return &state.Port{
		Protocol:              port.Protocol,
		Namespace:             in.Namespace,
		Service:               in.Name,
		ServicePort:           &state.ServicePort{Name: port.Name, Port: port.Port},
		ExternalTrafficPolicy: in.ExternalTrafficPolicy,
	}
}

// healthCheckPort returns the row of the port on which every node reports whether it has
// endpoints of a load balancer with externalTrafficPolicy Local. kube-proxy serves it, so it
// leads to no port of the Service.
func healthCheckPort(in *ServiceInput) []*state.Port {
	if in.HealthCheckNodePort == 0 || in.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	return []*state.Port{{
		Node:                  state.AllNodes,
		Protocol:              state.TCP,
		Port:                  in.HealthCheckNodePort,
		Kind:                  state.HealthCheckNodePort,
		Namespace:             in.Namespace,
		Service:               in.Name,
		ExternalTrafficPolicy: in.ExternalTrafficPolicy,
	}}
}
