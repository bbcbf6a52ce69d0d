package facts

import "rollcall.dev/rollcall/api/state"

// kubeletPort returns the row of a node's kubelet, or nil if the node does not report the port.
func kubeletPort(in *NodeInput) *state.Port {
	if in.KubeletPort == 0 {
		return nil
	}
	return &state.Port{Node: in.Name, Protocol: state.TCP, Port: in.KubeletPort, Kind: state.Kubelet}
}
