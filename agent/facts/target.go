package facts

import (
	"cmp"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// exposedPort is a port of a Service that has a row in the port map.
type exposedPort struct {
	name     string
	protocol state.Protocol
}

// endpoint is an endpoint of a Service: a pod, or an address that does not belong to a pod. A pod is one endpoint
// even if several slices or IP families have it.
type endpoint struct {
	name  string // the name of the pod, or the address
	isPod bool
}

func endpointOf(e *Endpoint) endpoint {
	if e.Pod != "" {
		return endpoint{e.Pod, true}
	}
	return endpoint{e.Address, false}
}

// exposedPorts returns the service ports of the rows of a Service.
func exposedPorts(rows []*state.Port) []exposedPort {
	var ports []exposedPort
	for _, row := range rows {
		if row.ServicePort == nil {
			continue
		}
		if port := (exposedPort{row.ServicePort.Name, row.Protocol}); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// targets returns the targets of the exposed ports of a Service by endpoint. It leaves out endpoints for which
// include returns false. Slices are joined by port name and protocol. A slice port without a number is skipped. The
// result does not depend on the order of the slices.
func targets(service NamespacedName, ports []exposedPort, inSlices []*SliceInput, include func(endpoint) bool) map[endpoint][]*state.Target {
	found := map[endpoint][]*state.Target{}
	for _, slice := range inSlices {
		for _, port := range slice.Ports {
			if port.Port == 0 || !slices.Contains(ports, exposedPort{port.Name, port.Protocol}) {
				continue
			}
			for i := range slice.Endpoints {
				e := endpointOf(&slice.Endpoints[i])
				if include(e) {
					found[e] = addTarget(found[e], newTarget(service, port, &slice.Endpoints[i]))
				}
			}
		}
	}
	return found
}

func newTarget(service NamespacedName, port SlicePort, e *Endpoint) *state.Target {
	t := &state.Target{
		ServiceNamespace: service.Namespace,
		Service:          service.Name,
		ServicePort:      port.Name,
		Protocol:         port.Protocol,
		Addresses:        []string{e.Address},
		Pod:              e.Pod,
		ContainerPort:    port.Port,
		Node:             e.Node,
		Ready:            e.Ready,
		Serving:          e.Serving,
		Terminating:      e.Terminating,
	}
	if e.Pod != "" {
		t.Namespace = service.Namespace
	}
	return t
}

// addTarget adds a target to those of its endpoint. Slices of two IP families, or a slice and its replacement, are not
// written at the same time. Two targets with the same service port and number are therefore merged: the result has the
// addresses of both, and the other fields of the one that compareTargets orders first.
func addTarget(all []*state.Target, t *state.Target) []*state.Target {
	for i, other := range all {
		if other.ServicePort != t.ServicePort || other.Protocol != t.Protocol || other.ContainerPort != t.ContainerPort {
			continue
		}
		addresses := sortAndDeduplicate(append(slices.Clone(other.Addresses), t.Addresses...))
		if compareTargets(t, other) < 0 {
			all[i] = t
		}
		all[i].Addresses = addresses
		return all
	}
	return append(all, t)
}

// compareTargets orders targets of one endpoint: ready before not ready, serving before not serving, not terminating
// before terminating, then by node in descending order.
func compareTargets(a, b *state.Target) int {
	return cmp.Or(
		compareBool(a.Ready, b.Ready),
		compareBool(a.Serving, b.Serving),
		compareBool(!a.Terminating, !b.Terminating),
		cmp.Compare(b.Node, a.Node),
	)
}

// compareBool orders true before false.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
