package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// claimConverter converts PersistentVolumeClaims to inputs of the facts.
type claimConverter struct{ shared *interner }

func (c claimConverter) input(claim *claimObject) *facts.ClaimInput {
	spec, status := claim.Slim.GetSpec(), claim.Slim.GetStatus()
	capacity, requests := amounts(status.GetCapacity()), amounts(spec.GetResources().GetRequests())
	return &facts.ClaimInput{
		Namespace:      c.shared.of(claim.Namespace),
		Name:           claim.Name,
		Phase:          claimPhase(status.GetPhase()),
		StorageClass:   c.shared.of(claimClass(claim.Slim.GetMetadata(), spec.GetStorageClassName())),
		VolumeMode:     c.shared.of(spec.GetVolumeMode()),
		Volume:         c.shared.of(spec.GetVolumeName()),
		RequestedBytes: requests.Storage().Value(),
		CapacityBytes:  capacity.Storage().Value(),
		CreatedAt:      instant(claim.Slim.GetMetadata().GetCreationTimestamp()),
	}
}

// claimClass returns the storage class of a claim. The beta annotation takes precedence
// over the field, as in Kubernetes' controllers.
func claimClass(meta *slimpb.ObjectMeta, class string) string {
	for _, a := range meta.GetAnnotations() {
		if a.GetKey() == corev1.BetaStorageClassAnnotation {
			return a.GetValue()
		}
	}
	return class
}

// volumeConverter converts PersistentVolumes to inputs of the facts.
type volumeConverter struct{ shared *interner }

func (c volumeConverter) input(volume *volumeObject) *facts.VolumeInput {
	spec, status := volume.Slim.GetSpec(), volume.Slim.GetStatus()
	capacity := amounts(spec.GetCapacity())
	return &facts.VolumeInput{
		Name:           c.shared.of(volume.Name),
		Phase:          volumePhase(status.GetPhase()),
		Reason:         c.shared.of(status.GetReason()),
		Message:        status.GetMessage(),
		StorageClass:   c.shared.of(spec.GetStorageClassName()),
		ClaimNamespace: c.shared.of(spec.GetClaimRef().GetNamespace()),
		Claim:          c.shared.of(spec.GetClaimRef().GetName()),
		CapacityBytes:  capacity.Storage().Value(),
		CreatedAt:      instant(volume.Slim.GetMetadata().GetCreationTimestamp()),
		PhaseSince:     instant(status.GetLastPhaseTransitionTime()),
	}
}

// claimPhase returns the phase as facts have it.
func claimPhase(p string) state.ClaimPhase {
	switch corev1.PersistentVolumeClaimPhase(p) {
	case corev1.ClaimPending:
		return state.ClaimPending
	case corev1.ClaimBound:
		return state.ClaimBound
	case corev1.ClaimLost:
		return state.ClaimLost
	}
	return state.ClaimPhaseUnknown
}

// volumePhase returns the phase as facts have it.
func volumePhase(p string) state.VolumePhase {
	switch corev1.PersistentVolumePhase(p) {
	case corev1.VolumePending:
		return state.VolumePending
	case corev1.VolumeAvailable:
		return state.VolumeAvailable
	case corev1.VolumeBound:
		return state.VolumeBound
	case corev1.VolumeReleased:
		return state.VolumeReleased
	case corev1.VolumeFailed:
		return state.VolumeFailed
	}
	return state.VolumePhaseUnknown
}
