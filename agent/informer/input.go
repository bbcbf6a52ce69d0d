package informer

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// The functions below convert whole objects for tests and tools. They encode an object to the
// bytes that an API server would send and decode these, like the watches.

// NodeInput converts a Node to an input of the facts.
func NodeInput(node *corev1.Node) *facts.NodeInput {
	return nodeConverter{newInterner()}.input(convert(node, &nodeObject{}))
}

// PodInput converts a Pod to an input of the facts.
func PodInput(pod *corev1.Pod) *facts.PodInput {
	return podConverter{newInterner()}.input(convert(pod, &podObject{}))
}

// ServiceInput converts a Service to an input of the facts.
func ServiceInput(service *corev1.Service) *facts.ServiceInput {
	return serviceConverter{newInterner()}.input(convert(service, &serviceObject{}))
}

// SliceInput converts an EndpointSlice to an input of the facts.
func SliceInput(slice *discoveryv1.EndpointSlice) *facts.SliceInput {
	return sliceConverter{newInterner()}.input(convert(slice, &sliceObject{}))
}

// ClaimInput converts a PersistentVolumeClaim to an input of the facts.
func ClaimInput(claim *corev1.PersistentVolumeClaim) *facts.ClaimInput {
	return claimConverter{newInterner()}.input(convert(claim, &claimObject{}))
}

// VolumeInput converts a PersistentVolume to an input of the facts.
func VolumeInput(volume *corev1.PersistentVolume) *facts.VolumeInput {
	return volumeConverter{newInterner()}.input(convert(volume, &volumeObject{}))
}

// convert converts a whole object to a slim one, and returns the latter.
func convert[O interface{ Unmarshal([]byte) error }](whole interface{ Marshal() ([]byte, error) }, into O) O {
	data, err := whole.Marshal()
	if err == nil {
		err = into.Unmarshal(data)
	}
	if err != nil {
		panic(fmt.Sprintf("encode and decode a %T: %v", whole, err))
	}
	return into
}
