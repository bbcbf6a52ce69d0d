package facts

import (
	"slices"

	"rollcall.dev/rollcall/api/state"
)

// declaration is a port that a listening container of a pod declares.
type declaration struct {
	container string
	protocol  state.Protocol
	port      uint16
}

// declarations returns the ports that a pod's main containers and sidecars declare.
func declarations(in *PodInput) []declaration {
	var all []declaration
	for i := range in.Containers {
		c := &in.Containers[i]
		if !listens(c.Kind) {
			continue
		}
		for _, port := range c.Ports {
			if d := (declaration{c.Name, port.Protocol, port.Port}); !slices.Contains(all, d) {
				all = append(all, d)
			}
		}
	}
	return slices.Clip(all)
}

// declaringContainer returns the container that declares a port, or "" if none or several do.
func declaringContainer(all []declaration, protocol state.Protocol, port uint16) string {
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
