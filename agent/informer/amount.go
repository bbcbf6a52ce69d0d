package informer

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// amounts converts a list to a ResourceList, or nil if it is empty. It leaves out quantities that
// cannot be parsed. No API server accepts these.
func amounts(list []*slimpb.Amount) corev1.ResourceList {
	if len(list) == 0 {
		return nil
	}
	out := make(corev1.ResourceList, len(list))
	for _, a := range list {
		if quantity, err := resource.ParseQuantity(a.GetQuantity().GetString_()); err == nil {
			out[corev1.ResourceName(a.GetResource())] = quantity
		}
	}
	return out
}

// resources converts a list to Resources.
func resources(list []*slimpb.Amount) state.Resources { return facts.Resources(amounts(list)) }

// unmarshaler is a type of k8s.io/api.
type unmarshaler[T any] interface {
	*T
	Unmarshal([]byte) error
}

// decode decodes a part of an object as Kubernetes' own type T. It returns nil if the part is missing
// or cannot be decoded.
func decode[T any, P unmarshaler[T]](part []byte) P {
	if part == nil {
		return nil
	}
	out := P(new(T))
	if err := out.Unmarshal(part); err != nil {
		return nil
	}
	return out
}
