package informer

import (
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// sliceConverter converts EndpointSlices to inputs of the facts.
type sliceConverter struct{ shared *interner }

// input returns what the facts need of an EndpointSlice.
func (c sliceConverter) input(slice *sliceObject) *facts.SliceInput {
	return &facts.SliceInput{
		Namespace: c.shared.of(slice.Namespace),
		Name:      slice.Name,
		Service:   c.shared.of(label(slice.Slim.GetMetadata(), discoveryv1.LabelServiceName)),
		Ports:     c.ports(slice.Slim.GetPorts()),
		Endpoints: c.endpoints(slice),
	}
}

// ports returns the ports of a slice.
func (c sliceConverter) ports(list []*slimpb.EndpointPort) []facts.SlicePort {
	out := make([]facts.SlicePort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.SlicePort{Name: c.shared.of(p.GetName()), Protocol: protocol(p.GetProtocol()), Port: port(p.GetPort())})
	}
	return out
}

// endpoints returns one endpoint for each address. The API defines no meaning for further
// addresses of an endpoint; they are reported all the same.
func (c sliceConverter) endpoints(slice *sliceObject) []facts.Endpoint {
	out := make([]facts.Endpoint, 0, len(slice.Slim.GetEndpoints()))
	for _, e := range slice.Slim.GetEndpoints() {
		conditions := e.GetConditions()
		in := facts.Endpoint{
			Pod:         targetPod(slice.Namespace, e.GetTargetRef()),
			Node:        c.shared.of(e.GetNodeName()),
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

// targetPod returns the pod that an endpoint refers to, empty if it is not a pod of the
// slice's namespace: Services select pods of their own namespace only.
func targetPod(namespace string, ref *slimpb.ObjectReference) string {
	if ref.GetKind() != "Pod" || ref.GetNamespace() != "" && ref.GetNamespace() != namespace {
		return ""
	}
	return ref.GetName()
}
