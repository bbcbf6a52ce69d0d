package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// ClaimInput is what the facts need of a PersistentVolumeClaim.
func ClaimInput(claim *corev1.PersistentVolumeClaim) *facts.ClaimInput {
	return &facts.ClaimInput{
		Namespace:     claim.Namespace,
		Name:          claim.Name,
		CapacityBytes: claim.Status.Capacity.Storage().Value(),
	}
}
