package facts

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// servicePortRows returns the rows of a Service: its node ports, its health check port, and its
// ports on each load balancer address and external IP. Headless and ExternalName Services have
// none.
func servicePortRows(in *ServiceInput) []*state.Port {
	if in.Headless || in.Type == corev1.ServiceTypeExternalName {
		return nil
	}
	var rows []*state.Port
	for _, port := range in.Ports {
		rows = append(rows, nodePortRow(in, port)...)
		rows = append(rows, addressRows(in, port, state.ExternalIP, in.ExternalIPs)...)
		if in.Type == corev1.ServiceTypeLoadBalancer {
			rows = append(rows, addressRows(in, port, state.LoadBalancer, in.Ingress)...)
		}
	}
	return append(rows, healthCheckRow(in)...)
}

// nodePortRow returns the row of a node port on all nodes, if one is allocated. A load balancer with
// allocateLoadBalancerNodePorts=false keeps a node port that was requested by number or existed before, and
// kube-proxy serves it. The row means all addresses, because the setting --nodeport-addresses of kube-proxy is not in
// the API.
func nodePortRow(in *ServiceInput, port ServicePort) []*state.Port {
	if port.NodePort == 0 || in.Type != corev1.ServiceTypeNodePort && in.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	row := newServiceRow(in, port)
	row.Node, row.Port, row.Kind = state.AllNodes, port.NodePort, state.NodePort
	return []*state.Port{row}
}

// addressRows returns the rows of a service port on addresses that do not belong to nodes. The rows are on all nodes,
// because kube-proxy accepts traffic for these addresses on every node.
func addressRows(in *ServiceInput, port ServicePort, kind state.PortKind, addresses []string) []*state.Port {
	var rows []*state.Port
	for _, address := range addresses {
		row := newServiceRow(in, port)
		row.Node, row.Address, row.Port, row.Kind = state.AllNodes, hostAddress(address), port.Port, kind
		rows = append(rows, row)
	}
	return rows
}

// newServiceRow returns a row with the fields that all rows of a service port share.
func newServiceRow(in *ServiceInput, port ServicePort) *state.Port {
	return &state.Port{
		Protocol:              port.Protocol,
		Namespace:             in.Namespace,
		Service:               in.Name,
		ServicePort:           &state.ServicePort{Name: port.Name, Port: port.Port},
		ExternalTrafficPolicy: in.ExternalTrafficPolicy,
	}
}

// healthCheckRow returns the row of the port on which each node reports whether it has endpoints of a load balancer
// with externalTrafficPolicy Local. kube-proxy serves this port, so the row has no service port.
func healthCheckRow(in *ServiceInput) []*state.Port {
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
