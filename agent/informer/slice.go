package informer

import (
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// sliceConverter converts EndpointSlices to inputs of the facts.
type sliceConverter struct{ interner *interner }

// input converts an EndpointSlice to an input of the facts.
func (c sliceConverter) input(slice *sliceObject) *facts.SliceInput {
	return &facts.SliceInput{
		Namespace: c.interner.intern(slice.Namespace),
		Name:      slice.Name,
		Service:   c.interner.intern(label(slice.Slim.GetMetadata(), discoveryv1.LabelServiceName)),
		Ports:     c.ports(slice.Slim.GetPorts()),
		Endpoints: c.endpoints(slice),
	}
}

// ports returns the ports of a slice.
func (c sliceConverter) ports(list []*slimpb.EndpointPort) []facts.SlicePort {
	out := make([]facts.SlicePort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.SlicePort{Name: c.interner.intern(p.GetName()), Protocol: protocol(p.GetProtocol()), Port: port(p.GetPort())})
	}
	return out
}

// endpoints returns one endpoint for each address. EndpointSlices normally have one address per endpoint. The API
// does not define the meaning of others, and facts have them too.
func (c sliceConverter) endpoints(slice *sliceObject) []facts.Endpoint {
	out := make([]facts.Endpoint, 0, len(slice.Slim.GetEndpoints()))
	for _, e := range slice.Slim.GetEndpoints() {
		conditions := e.GetConditions()
		in := facts.Endpoint{
			Pod:         targetPod(slice.Namespace, e.GetTargetRef()),
			Node:        c.interner.intern(e.GetNodeName()),
			Ready:       conditions.GetReady(),
			Serving:     conditions.GetServing(),
			Terminating: conditions.GetTerminating(),
		}
		for _, in.Address = range e.GetAddresses() {
			out = append(out, in)
		}
	}
	return out
}

// targetPod returns the name of the pod that an endpoint refers to, or "" if that is not a pod in the slice's
// namespace. Services only select pods in their own namespace.
func targetPod(namespace string, ref *slimpb.ObjectReference) string {
	if ref.GetKind() != "Pod" || ref.GetNamespace() != "" && ref.GetNamespace() != namespace {
		return ""
	}
	return ref.GetName()
}
