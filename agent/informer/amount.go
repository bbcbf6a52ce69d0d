package informer

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// amounts are a ResourceList, nil where there is none. An amount that is none, which
// no API server lets in, is left out.
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

func resources(list []*slimpb.Amount) state.Resources { return facts.Resources(amounts(list)) }

// unmarshaler is a type of k8s.io/api.
type unmarshaler[T any] interface {
	*T
	Unmarshal([]byte) error
}

// decoded is a part of an object in Kubernetes' own type, nil where there is none or
// where it is none.
func decoded[T any, P unmarshaler[T]](part []byte) P {
	if part == nil {
		return nil
	}
	out := P(new(T))
	if err := out.Unmarshal(part); err != nil {
		return nil
	}
	return out
}
