package informer

import (
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// sliceConverter makes slim inputs of EndpointSlices.
type sliceConverter struct{ shared interner }

// SliceInput is what the facts need of an EndpointSlice.
func SliceInput(slice *discoveryv1.EndpointSlice) *facts.SliceInput {
	return sliceConverter{interner{}}.input(slice)
}

func (c sliceConverter) input(slice *discoveryv1.EndpointSlice) *facts.SliceInput {
	return &facts.SliceInput{
		Namespace: c.shared.of(slice.Namespace),
		Name:      slice.Name,
		Service:   c.shared.of(slice.Labels[discoveryv1.LabelServiceName]),
		Ports:     c.ports(slice.Ports),
		Endpoints: c.endpoints(slice),
	}
}

func (c sliceConverter) ports(list []discoveryv1.EndpointPort) []facts.SlicePort {
	out := make([]facts.SlicePort, 0, len(list))
	for i := range list {
		p := &list[i]
		slicePort := facts.SlicePort{Name: c.shared.of(orZero(p.Name)), Protocol: protocol(orZero(p.Protocol)), Port: port(orZero(p.Port))}
		out = append(out, slicePort)
	}
	return out
}

// endpoints are one for each address. The API gives no meaning to further
// addresses of an endpoint; they are told all the same.
func (c sliceConverter) endpoints(slice *discoveryv1.EndpointSlice) []facts.Endpoint {
	out := make([]facts.Endpoint, 0, len(slice.Endpoints))
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		in := facts.Endpoint{
			Pod:         podBehind(slice.Namespace, e),
			Node:        c.shared.of(orZero(e.NodeName)),
			Ready:       isTrue(e.Conditions.Ready, true),
			Serving:     isTrue(e.Conditions.Serving, true),
			Terminating: isTrue(e.Conditions.Terminating, false),
		}
		for _, in.Address = range e.Addresses {
			out = append(out, in)
		}
	}
	return out
}

// podBehind is the pod that an endpoint refers to, if it is one of the slice's own
// namespace: only there do Services find pods.
func podBehind(namespace string, e *discoveryv1.Endpoint) string {
	ref := e.TargetRef
	if ref == nil || ref.Kind != "Pod" || ref.Namespace != "" && ref.Namespace != namespace {
		return ""
	}
	return ref.Name
}

// isTrue is a condition of an endpoint, which has a default where it is nil.
func isTrue(b *bool, byDefault bool) bool {
	if b == nil {
		return byDefault
	}
	return *b
}

func orZero[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}
