package facts

import "rollcall.dev/rollcall/api/state"

// kubeletPort is the row of a node's kubelet, nil where it does not say its port.
func kubeletPort(in *NodeInput) *state.Port {
	if in.KubeletPort == 0 {
		return nil
	}
	return &state.Port{Node: in.Name, Protocol: state.TCP, Port: in.KubeletPort, Kind: state.Kubelet}
}
