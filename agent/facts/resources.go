package facts

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	"rollcall.dev/rollcall/api/state"
)

// schedulerOptions are the options with which the scheduler sums up pods on a node. The last two belong to feature
// gates. If a gate is off, its fields in the pod's status are empty, so the options can always be set.
var schedulerOptions = resourcehelper.PodResourcesOptions{
	UseStatusResources: true,
	InPlacePodLevelResourcesVerticalScalingEnabled: true,
	UseDRANodeAllocatableResourceClaimStatus:       true,
}

// PodResources returns the requests and limits of a pod as the scheduler counts them: with init
// containers, sidecars (KEP-753), pod-level resources (KEP-2837), in-place resizes (KEP-1287)
// and overhead.
func PodResources(pod *corev1.Pod) (requested, limits state.Resources) {
	return Resources(resourcehelper.PodRequests(pod, schedulerOptions)), Resources(resourcehelper.PodLimits(pod, schedulerOptions))
}

// Resources converts a ResourceList to millicores and bytes. Values that do not fit saturate. Extended resources with
// the value 0 are kept.
func Resources(list corev1.ResourceList) state.Resources {
	var r state.Resources
	for name, amount := range list {
		setAmount(&r, name, amount)
	}
	return r
}

// setAmount sets the field of r for one resource.
func setAmount(r *state.Resources, name corev1.ResourceName, amount resource.Quantity) {
	switch name {
	case corev1.ResourceCPU:
		r.CPUMillis = scaledValue(amount, resource.Milli)
	case corev1.ResourceMemory:
		r.MemoryBytes = scaledValue(amount, 0)
	case corev1.ResourceEphemeralStorage:
		r.EphemeralStorageBytes = scaledValue(amount, 0)
	case corev1.ResourcePods:
		r.Pods = scaledValue(amount, 0)
	default:
		if r.Extended == nil {
			r.Extended = map[string]int64{}
		}
		r.Extended[string(name)] = scaledValue(amount, 0)
	}
}

// Zeros returns which resources a ResourceList explicitly sets to zero.
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

// scaledValue returns an amount in units of a scale, rounded up. It returns the largest int64 if the amount does not
// fit, where the methods of Quantity overflow. It returns 0 for a negative amount, which is possible because the API
// server does not validate the resources in the status of a container.
func scaledValue(amount resource.Quantity, scale resource.Scale) int64 {
	if amount.Sign() < 0 {
		return 0
	}
	largest := resource.NewScaledQuantity(math.MaxInt64, scale)
	if amount.Cmp(*largest) >= 0 {
		return math.MaxInt64
	}
	return amount.ScaledValue(scale)
}
