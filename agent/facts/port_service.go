package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// servicePorts are the rows of a Service: its node ports, its health check's, and
// its ports on each address of a load balancer and each external IP. Headless and
// ExternalName Services have none.
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

// nodePort is the row of an allocated node port, on all nodes. Allocation is what
// counts: a load balancer that has allocateLoadBalancerNodePorts off gets none by
// itself, yet keeps one that was asked for by number or was there before, and
// kube-proxy serves it. On which of a node's addresses it does is its own setting
// (--nodeport-addresses) and not in the API: the row says all.
func nodePort(in *ServiceInput, port ServicePort) []*state.Port {
	if port.NodePort == 0 || in.Type != corev1.ServiceTypeNodePort && in.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	row := serviceRow(in, port)
	row.Node, row.Port, row.Kind = state.AllNodes, port.NodePort, state.NodePort
	return []*state.Port{row}
}

// addressed are the rows of a service port on addresses that are not the nodes' own.
// They are on all nodes too: kube-proxy takes what comes for them wherever it comes.
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

// healthCheckPort is the row of the port on which every node says whether it has
// endpoints of a load balancer with externalTrafficPolicy Local. It leads to
// kube-proxy and not to a port of the Service.
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
