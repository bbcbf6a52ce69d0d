package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// declaredPort is a port that a main container or sidecar of a pod declares.
type declaredPort struct {
	container string
	protocol  state.Protocol
	port      uint16
}

// declaredPorts returns the ports that the main containers and sidecars of a pod declare.
func declaredPorts(in *PodInput) []declaredPort {
	var all []declaredPort
	for i := range in.Containers {
		c := &in.Containers[i]
		if !isLongRunning(c.Kind) {
			continue
		}
		for _, port := range c.Ports {
			if d := (declaredPort{c.Name, port.Protocol, port.Port}); !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return slices.Clip(all)
}

// containerOfPort returns the name of the container that declares a port, or "" if none or several do.
func containerOfPort(all []declaredPort, protocol state.Protocol, port uint16) string {
	container := ""
	for _, d := range all {
		if d.protocol != protocol || d.port != port {
			continue
		}
		if container != "" {
			return ""
		}
		container = d.container
	}
	return container
}
