package informer

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// The functions below convert whole objects, for tests and tools. They go through the bytes
// that an API server would send, like the watches.

// NodeInput returns what the facts need of a Node.
func NodeInput(node *corev1.Node) *facts.NodeInput {
	return nodeConverter{newInterner()}.input(slim(node, &nodeObject{}))
}

// PodInput returns what the facts need of a Pod.
func PodInput(pod *corev1.Pod) *facts.PodInput {
	return podConverter{newInterner()}.input(slim(pod, &podObject{}))
}

// ServiceInput returns what the facts need of a Service.
func ServiceInput(service *corev1.Service) *facts.ServiceInput {
	return serviceConverter{newInterner()}.input(slim(service, &serviceObject{}))
}

// SliceInput returns what the facts need of an EndpointSlice.
func SliceInput(slice *discoveryv1.EndpointSlice) *facts.SliceInput {
	return sliceConverter{newInterner()}.input(slim(slice, &sliceObject{}))
}

// ClaimInput returns what the facts need of a PersistentVolumeClaim.
func ClaimInput(claim *corev1.PersistentVolumeClaim) *facts.ClaimInput {
	return claimConverter{newInterner()}.input(slim(claim, &claimObject{}))
}

// VolumeInput returns what the facts need of a PersistentVolume.
func VolumeInput(volume *corev1.PersistentVolume) *facts.VolumeInput {
	return volumeConverter{newInterner()}.input(slim(volume, &volumeObject{}))
}

// slim decodes a whole object into a slim one and returns it.
func slim[O interface{ Unmarshal([]byte) error }](whole interface{ Marshal() ([]byte, error) }, into O) O {
	data, err := whole.Marshal()
	if err == nil {
		err = into.Unmarshal(data)
	}
	if err != nil {
		panic(fmt.Sprintf("an object of Kubernetes' own does not survive its own encoding: %v", err))
	}
	return into
}
