package facts

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// newService returns the fact of a Service. old is the previous fact, or nil. matches reports whether the selector
// matches a pod or there is no selector. ready reports whether one of the endpoints is ready.
func newService(in *ServiceInput, old *state.Service, matches, ready bool, now state.Time) *state.Service {
	s := &state.Service{
		Namespace:      in.Namespace,
		Name:           in.Name,
		UID:            in.UID,
		Type:           serviceType(in.Type),
		ClusterIP:      in.ClusterIP,
		ExternalName:   in.ExternalName,
		LoadBalancerIP: in.LoadBalancerIP,
		CreatedAt:      in.CreatedAt,
	}
	if s.Type != state.ServiceExternalName {
		s.ExternalTrafficPolicy = in.ExternalTrafficPolicy
	}
	if s.Type == state.ServiceExternalName {
		return s
	}
	noAddressSince := now
	if old == nil {
		// The Service was not seen before. It is assumed that it never had an address.
		old, noAddressSince = &state.Service{}, cmp.Or(in.CreatedAt, now)
	}
	if !matches {
		s.NoPodsSince = cmp.Or(old.NoPodsSince, now)
	}
	if matches && in.Selector != "" && !ready {
		s.NoEndpointsSince = cmp.Or(old.NoEndpointsSince, now)
	}
	if s.Type == state.ServiceLoadBalancer && len(in.Ingress) == 0 {
		s.NoAddressSince = cmp.Or(old.NoAddressSince, noAddressSince)
	}
	return s
}

func serviceType(t corev1.ServiceType) state.ServiceType {
	switch t {
	case corev1.ServiceTypeNodePort:
		return state.ServiceNodePort
	case corev1.ServiceTypeLoadBalancer:
		return state.ServiceLoadBalancer
	case corev1.ServiceTypeExternalName:
		return state.ServiceExternalName
	case corev1.ServiceTypeClusterIP, "":
		return state.ServiceClusterIP
	}
	return state.ServiceTypeUnknown
}
