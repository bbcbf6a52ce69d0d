package informer

import (
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// sliceConverter makes slim inputs of EndpointSlices.
type sliceConverter struct{ shared *interner }

func (c sliceConverter) input(slice *sliceObject) *facts.SliceInput {
	return &facts.SliceInput{
		Namespace: c.shared.of(slice.Namespace),
		Name:      slice.Name,
		Service:   c.shared.of(label(slice.Slim.GetMetadata(), discoveryv1.LabelServiceName)),
		Ports:     c.ports(slice.Slim.GetPorts()),
		Endpoints: c.endpoints(slice),
	}
}

func (c sliceConverter) ports(list []*slimpb.EndpointPort) []facts.SlicePort {
	out := make([]facts.SlicePort, 0, len(list))
	for _, p := range list {
		out = append(out, facts.SlicePort{Name: c.shared.of(p.GetName()), Protocol: protocol(p.GetProtocol()), Port: port(p.GetPort())})
	}
	return out
}

// endpoints are one for each address. The API gives no meaning to further
// addresses of an endpoint; they are told all the same.
func (c sliceConverter) endpoints(slice *sliceObject) []facts.Endpoint {
	out := make([]facts.Endpoint, 0, len(slice.Slim.GetEndpoints()))
	for _, e := range slice.Slim.GetEndpoints() {
		conditions := e.GetConditions()
		in := facts.Endpoint{
			Pod:         podBehind(slice.Namespace, e.GetTargetRef()),
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

// podBehind is the pod that an endpoint refers to, if it is one of the slice's own
// namespace: only there do Services find pods.
func podBehind(namespace string, ref *slimpb.ObjectReference) string {
	if ref.GetKind() != "Pod" || ref.GetNamespace() != "" && ref.GetNamespace() != namespace {
		return ""
	}
	return ref.GetName()
}
