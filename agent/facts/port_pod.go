package facts

import "rollcall.dev/rollcall/api/state"

// podPorts returns the ports of its node that a pod takes: the host ports of its main
// containers and sidecars, or with hostNetwork all declared ports. (The API server fills
// hostPort for hostNetwork pods; they listen by themselves, so they have no HostPort rows.) A
// pod that has no node or is finished takes none.
func podPorts(in *PodInput) []*state.Port {
	if in.Node == "" || in.Phase.Finished() {
		return nil
	}
	var rows []*state.Port
	for i := range in.Containers {
		c := &in.Containers[i]
		if !listens(c.Kind) {
			continue
		}
		for _, port := range c.Ports {
			if row := podPort(in, c.Name, port); row != nil {
				rows = addPodPort(rows, row)
			}
		}
	}
	return rows
}

// listens reports whether containers of this kind run as long as their pod.
func listens(kind state.ContainerKind) bool { return kind == state.Main || kind == state.Sidecar }

func podPort(in *PodInput, container string, port ContainerPort) *state.Port {
	row := &state.Port{Node: in.Node, Address: hostAddress(port.HostIP), Protocol: port.Protocol, Namespace: in.Namespace, Pod: in.Name}
	switch {
	case in.HostNetwork:
		row.Kind, row.Port = state.HostNetwork, port.Port
	case port.HostPort != 0:
		row.Kind, row.Port = state.HostPort, port.HostPort
	default:
		return nil
	}
	row.Target = podTarget(in, container, port.Port)
	return row
}

// podTarget returns the pod as a target with the conditions of an EndpointSlice: it serves
// while its Ready condition is True, and is ready if it serves and is not terminating.
func podTarget(in *PodInput, container string, port uint16) *state.Target {
	ready := in.Ready.Type != "" && in.Ready.Status == state.True
	return &state.Target{
		Addresses:     distinct(in.PodIPs),
		Namespace:     in.Namespace,
		Pod:           in.Name,
		Container:     container,
		ContainerPort: port,
		Node:          in.Node,
		Ready:         ready && !in.Terminating,
		Serving:       ready,
		Terminating:   in.Terminating,
	}
}

// addPodPort adds a row, or where there is one for the same port (0.0.0.0 and ::
// are both all addresses) sees to it that only one container is named if it is one.
func addPodPort(rows []*state.Port, row *state.Port) []*state.Port {
	for _, r := range rows {
		if r.Address == row.Address && r.Protocol == row.Protocol && r.Port == row.Port {
			if r.Target.Container != row.Target.Container {
				r.Target.Container = ""
			}
			return rows
		}
	}
	return append(rows, row)
}
