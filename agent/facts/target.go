package facts

import (
	"cmp"
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// exposure is a port of a Service that has a row in the port map.
type exposure struct {
	name     string
	protocol state.Protocol
}

// endpoint is who is behind a Service: a pod, or an address behind which there is
// none. A pod is one endpoint, however many slices and IP families name it.
type endpoint struct {
	name  string
	isPod bool
}

func endpointOf(e *Endpoint) endpoint {
	if e.Pod != "" {
		return endpoint{e.Pod, true}
	}
	return endpoint{e.Address, false}
}

// exposures returns the service ports that the rows of a Service belong to.
func exposures(rows []*state.Port) []exposure {
	var ports []exposure
	for _, row := range rows {
		if row.ServicePort == nil {
			continue
		}
		if port := (exposure{row.ServicePort.Name, row.Protocol}); !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	return ports
}

// targets returns the targets of the exposed ports of a Service by endpoint, without endpoints
// for which wanted returns false. Slices are joined by port name and protocol. A port without a
// number in a slice is skipped. The result does not depend on the order of the slices.
func targets(service id, ports []exposure, inSlices []*SliceInput, wanted func(endpoint) bool) map[endpoint][]*state.Target {
	found := map[endpoint][]*state.Target{}
	for _, slice := range inSlices {
		for _, port := range slice.Ports {
			if port.Port == 0 || !slices.Contains(ports, exposure{port.Name, port.Protocol}) {
				continue
			}
			for i := range slice.Endpoints {
				who := endpointOf(&slice.Endpoints[i])
				if wanted(who) {
					found[who] = addTarget(found[who], newTarget(service, port, &slice.Endpoints[i]))
				}
			}
		}
	}
	return found
}

func newTarget(service id, port SlicePort, e *Endpoint) *state.Target {
	t := &state.Target{
		ServiceNamespace: service.namespace,
		Service:          service.name,
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
		t.Namespace = service.namespace
	}
	return t
}

// addTarget adds a target to those of its endpoint. Where there is one for the same
// service port and number already, they are merged: all addresses, and the rest as the
// better one has it, since slices of two IP families or a slice and the one that
// replaces it are not written at one instant.
func addTarget(all []*state.Target, t *state.Target) []*state.Target {
	for i, other := range all {
		if other.ServicePort != t.ServicePort || other.Protocol != t.Protocol || other.ContainerPort != t.ContainerPort {
			continue
		}
		addresses := sortedSet(append(slices.Clone(other.Addresses), t.Addresses...))
		if better(t, other) < 0 {
			all[i] = t
		}
		all[i].Addresses = addresses
		return all
	}
	return append(all, t)
}

// better orders targets of one endpoint: ready, serving, not terminating first.
func better(a, b *state.Target) int {
	return cmp.Or(
		first(a.Ready, b.Ready),
		first(a.Serving, b.Serving),
		first(!a.Terminating, !b.Terminating),
		cmp.Compare(b.Node, a.Node),
	)
}

// first orders a before b if a alone is true.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
