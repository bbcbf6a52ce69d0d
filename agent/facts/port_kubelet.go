package facts

import "rollcall.dev/rollcall/api/state"

// kubeletRow returns the row of a node's kubelet, or nil if the node does not report its port.
func kubeletRow(in *NodeInput) *state.Port {
	if in.KubeletPort == 0 {
		return nil
	}
	return &state.Port{Node: in.Name, Protocol: state.TCP, Port: in.KubeletPort, Kind: state.Kubelet}
}
