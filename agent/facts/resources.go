package facts

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	"rollcall.dev/rollcall/api/state"
)

// asScheduled are the options with which the scheduler counts pods on a node.
// The feature gates behind the last two leave their fields in the pod's status
// empty where they are off, so counting what is there is right either way.
var asScheduled = resourcehelper.PodResourcesOptions{
	UseStatusResources: true,
	InPlacePodLevelResourcesVerticalScalingEnabled: true,
	UseDRANodeAllocatableResourceClaimStatus:       true,
}

// PodResources returns the requests and limits of a pod as the scheduler counts them: with init
// containers, sidecars (KEP-753), pod-level resources (KEP-2837), in-place resizes (KEP-1287)
// and overhead.
func PodResources(pod *corev1.Pod) (requested, limits state.Resources) {
	return Resources(resourcehelper.PodRequests(pod, asScheduled)), Resources(resourcehelper.PodLimits(pod, asScheduled))
}

// Resources returns a ResourceList in base units. What does not fit saturates. An
// extended resource of which there is none is kept: a node without a GPU left says so.
func Resources(list corev1.ResourceList) state.Resources {
	var r state.Resources
	for name, amount := range list {
		addAmount(&r, name, amount)
	}
	return r
}

func addAmount(r *state.Resources, name corev1.ResourceName, amount resource.Quantity) {
	switch name {
	case corev1.ResourceCPU:
		r.CPUMillis = scaled(amount, resource.Milli)
	case corev1.ResourceMemory:
		r.MemoryBytes = scaled(amount, 0)
	case corev1.ResourceEphemeralStorage:
		r.EphemeralStorageBytes = scaled(amount, 0)
	case corev1.ResourcePods:
		r.Pods = scaled(amount, 0)
	default:
		if r.Extended == nil {
			r.Extended = map[string]int64{}
		}
		r.Extended[string(name)] = scaled(amount, 0)
	}
}

// Zeros returns which resources a ResourceList sets to zero.
func Zeros(list corev1.ResourceList) state.Zeros {
	var zeros state.Zeros
	for name, bit := range map[corev1.ResourceName]state.Zeros{
		corev1.ResourceCPU: state.ZeroCPU, corev1.ResourceMemory: state.ZeroMemory, corev1.ResourceEphemeralStorage: state.ZeroEphemeralStorage, corev1.ResourcePods: state.ZeroPods,
	} {
		if amount, ok := list[name]; ok && amount.IsZero() {
			zeros |= bit
		}
	}
	return zeros
}

// scaled returns an amount in units of a scale, rounded up, and the largest int64 where
// it does not fit; Quantity's own functions wrap or are undefined there. An amount below
// zero is none: nobody validates the resources of a container's status.
func scaled(amount resource.Quantity, scale resource.Scale) int64 {
	if amount.Sign() < 0 {
		return 0
	}
	largest := resource.NewScaledQuantity(math.MaxInt64, scale)
	if amount.Cmp(*largest) >= 0 {
		return math.MaxInt64
	}
	return amount.ScaledValue(scale)
}
