package facts

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/api/state"
)

// serviceFact returns the fact of a Service. held is the one returned before, nil for
// none. matches reports whether its selector matches a pod, or that it has no
// selector; ready whether one of its endpoints is ready.
func serviceFact(in *ServiceInput, held *state.Service, matches, ready bool, now state.Time) *state.Service {
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
	if held == nil { // it may well have been so from the beginning
		held, noAddressSince = &state.Service{}, cmp.Or(in.CreatedAt, now)
	}
	if !matches {
		s.NoPodsSince = cmp.Or(held.NoPodsSince, now)
	}
	if matches && in.Selector != "" && !ready {
		s.NoEndpointsSince = cmp.Or(held.NoEndpointsSince, now)
	}
	if s.Type == state.ServiceLoadBalancer && len(in.Ingress) == 0 {
		s.NoAddressSince = cmp.Or(held.NoAddressSince, noAddressSince)
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
