package facts

import "rollcall.dev/rollcall/api/state"

// podPortRows returns the rows of the ports that a pod uses on its node: the host ports of its main containers and
// sidecars, or with hostNetwork all declared ports. A pod with hostNetwork has no HostPort rows, although the API
// server fills hostPort. A pod that has no node or is finished has no rows.
func podPortRows(in *PodInput) []*state.Port {
	if in.Node == "" || in.Phase.Finished() {
		return nil
	}
	var rows []*state.Port
	for i := range in.Containers {
		c := &in.Containers[i]
		if !isLongRunning(c.Kind) {
			continue
		}
		for _, port := range c.Ports {
			if row := podPortRow(in, c.Name, port); row != nil {
				rows = addPodPort(rows, row)
			}
		}
	}
	return rows
}

// isLongRunning reports whether containers of this kind run as long as their pod.
func isLongRunning(kind state.ContainerKind) bool { return kind == state.Main || kind == state.Sidecar }

// podPortRow returns the row of a port that a container declares, or nil if the port is not used on the node.
func podPortRow(in *PodInput, container string, port ContainerPort) *state.Port {
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

// podTarget returns a port of a pod as a target, with the conditions that an EndpointSlice would have: it is serving
// if the pod's Ready condition is True, and ready if it is also not terminating.
func podTarget(in *PodInput, container string, port uint16) *state.Target {
	ready := in.Ready.Type != "" && in.Ready.Status == state.True
	return &state.Target{
		Addresses:     deduplicate(in.PodIPs),
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

// addPodPort appends a row. If there is already one for the same port, as with 0.0.0.0 and :: which both mean all
// addresses, it only clears the container's name if the containers differ.
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
