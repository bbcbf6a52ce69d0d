package facts

import (
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

// PodResources are what a pod as a whole requests and may use at most, as the
// scheduler counts it: init containers, sidecars (KEP-753), pod-level resources
// (KEP-2837), in-place resizes (KEP-1287) and overhead included.
func PodResources(pod *corev1.Pod) (requested, limits state.Resources) {
	return Resources(resourcehelper.PodRequests(pod, asScheduled)), Resources(resourcehelper.PodLimits(pod, asScheduled))
}

// Resources are a ResourceList in base units. An extended resource of which there
// is none is left out, so that equal amounts are equal values.
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
		r.CPUMillis = amount.MilliValue()
	case corev1.ResourceMemory:
		r.MemoryBytes = amount.Value()
	case corev1.ResourceEphemeralStorage:
		r.EphemeralStorageBytes = amount.Value()
	case corev1.ResourcePods:
		r.Pods = amount.Value()
	default:
		if amount.IsZero() {
			return
		}
		if r.Extended == nil {
			r.Extended = map[string]int64{}
		}
		r.Extended[string(name)] = amount.Value()
	}
}
