package informer

import (
	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// nodeConverter converts nodes to inputs of the facts.
type nodeConverter struct{ interner *interner }

// input converts a node to an input of the facts.
func (c nodeConverter) input(node *nodeObject) *facts.NodeInput {
	meta, spec, status := node.Slim.GetMetadata(), node.Slim.GetSpec(), node.Slim.GetStatus()
	info := status.GetNodeInfo()
	return &facts.NodeInput{
		Name:             node.Name,
		Labels:           c.labels(meta.GetLabels()),
		CreatedAt:        stateTime(meta.GetCreationTimestamp()),
		Unschedulable:    spec.GetUnschedulable(),
		Taints:           c.taints(spec.GetTaints()),
		Conditions:       c.conditions(status.GetConditions()),
		Addresses:        c.addresses(node.Name, status.GetAddresses()),
		Capacity:         resources(status.GetCapacity()),
		Allocatable:      resources(status.GetAllocatable()),
		CapacityZeros:    facts.Zeros(amounts(status.GetCapacity())),
		AllocatableZeros: facts.Zeros(amounts(status.GetAllocatable())),
		KubeletPort:      port(status.GetDaemonEndpoints().GetKubeletEndpoint().GetPort()),
		ProviderID:       spec.GetProviderId(),
		PodCIDR:          spec.GetPodCidr(),
		Mute:             mute(meta),
		SystemUUID:       info.GetSystemUuid(),
		KubeProxyVersion: c.interner.intern(info.GetKubeProxyVersion()),
		KubeletVersion:   c.interner.intern(info.GetKubeletVersion()),
		KernelVersion:    c.interner.intern(info.GetKernelVersion()),
		OSImage:          c.interner.intern(info.GetOsImage()),
		Architecture:     c.interner.intern(info.GetArchitecture()),
		ContainerRuntime: c.interner.intern(info.GetContainerRuntimeVersion()),
	}
}

// labels returns the labels of a node without the host name, which no fact needs and which would fill
// the interner.
func (c nodeConverter) labels(list []*slimpb.Entry) map[string]string {
	out := make(map[string]string, len(list))
	for _, e := range list {
		if e.GetKey() != hostnameLabel {
			out[e.GetKey()] = c.interner.intern(e.GetValue())
		}
	}
	return out
}

// taints returns a node's taints.
func (c nodeConverter) taints(list []*slimpb.Taint) []state.Taint {
	out := make([]state.Taint, 0, len(list))
	for _, t := range list {
		out = append(out, state.Taint{Key: c.interner.intern(t.GetKey()), Value: c.interner.intern(t.GetValue()), Effect: c.interner.intern(t.GetEffect())})
	}
	return out
}

// conditions returns a node's conditions.
func (c nodeConverter) conditions(list []*slimpb.Condition) []facts.Condition {
	out := make([]facts.Condition, 0, len(list))
	for _, condition := range list {
		out = append(out, facts.Condition{
			Type:    c.interner.intern(condition.GetType()),
			Status:  tristate(condition.GetStatus()),
			Reason:  c.interner.intern(condition.GetReason()),
			Message: condition.GetMessage(),
			Since:   stateTime(condition.GetLastTransitionTime()),
		})
	}
	return out
}

// addresses returns a node's addresses. One that equals the name shares its memory.
func (c nodeConverter) addresses(name string, list []*slimpb.NodeAddress) []state.NodeAddress {
	out := make([]state.NodeAddress, 0, len(list))
	for _, a := range list {
		address := a.GetAddress()
		if address == name {
			address = name
		}
		out = append(out, state.NodeAddress{Type: c.interner.intern(a.GetType()), Address: address})
	}
	return out
}
