package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
	"rollcall.dev/rollcall/api/state"
)

// claimConverter converts PersistentVolumeClaims to inputs of the facts.
type claimConverter struct{ interner *interner }

// input converts a PersistentVolumeClaim to an input of the facts.
func (c claimConverter) input(claim *claimObject) *facts.ClaimInput {
	spec, status := claim.Slim.GetSpec(), claim.Slim.GetStatus()
	capacity, requests := amounts(status.GetCapacity()), amounts(spec.GetResources().GetRequests())
	return &facts.ClaimInput{
		Namespace:      c.interner.intern(claim.Namespace),
		Name:           claim.Name,
		Phase:          claimPhase(status.GetPhase()),
		StorageClass:   c.interner.intern(claimClass(claim.Slim.GetMetadata(), spec.GetStorageClassName())),
		VolumeMode:     c.interner.intern(spec.GetVolumeMode()),
		Volume:         c.interner.intern(spec.GetVolumeName()),
		RequestedBytes: requests.Storage().Value(),
		CapacityBytes:  capacity.Storage().Value(),
		CreatedAt:      stateTime(claim.Slim.GetMetadata().GetCreationTimestamp()),
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
type volumeConverter struct{ interner *interner }

// input converts a PersistentVolume to an input of the facts.
func (c volumeConverter) input(volume *volumeObject) *facts.VolumeInput {
	spec, status := volume.Slim.GetSpec(), volume.Slim.GetStatus()
	capacity := amounts(spec.GetCapacity())
	return &facts.VolumeInput{
		Name:           c.interner.intern(volume.Name),
		Phase:          volumePhase(status.GetPhase()),
		Reason:         c.interner.intern(status.GetReason()),
		Message:        status.GetMessage(),
		StorageClass:   c.interner.intern(spec.GetStorageClassName()),
		ClaimNamespace: c.interner.intern(spec.GetClaimRef().GetNamespace()),
		Claim:          c.interner.intern(spec.GetClaimRef().GetName()),
		CapacityBytes:  capacity.Storage().Value(),
		CreatedAt:      stateTime(volume.Slim.GetMetadata().GetCreationTimestamp()),
		PhaseSince:     stateTime(status.GetLastPhaseTransitionTime()),
	}
}

// claimPhase converts a phase.
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

// volumePhase converts a phase.
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
