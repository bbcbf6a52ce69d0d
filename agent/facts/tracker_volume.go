package facts

import (
	"cmp"

	"rollcall.dev/rollcall/api/state"
)

// SetVolume adds or updates PersistentVolumes.
func (t *Tracker) SetVolume(all ...*VolumeInput) state.Changes {
	for _, in := range all {
		t.replaceVolume(in.Name, newVolume(in))
	}
	return t.flush()
}

// DeleteVolume removes a PersistentVolume.
func (t *Tracker) DeleteVolume(name string) state.Changes {
	t.deleteVolume(name)
	return t.flush()
}

// RetainVolumes removes all PersistentVolumes except the named ones.
func (t *Tracker) RetainVolumes(names []NamespacedName) state.Changes {
	retain(names, t.volumes, t.deleteVolume)
	return t.flush()
}

func (t *Tracker) deleteVolume(name string) { t.replaceVolume(name, nil) }

// replaceVolume replaces the fact of a volume, or removes it if fact is nil.
func (t *Tracker) replaceVolume(name string, fact *state.PersistentVolume) {
	var old, next []state.Object
	if volume := t.volumes[name]; volume != nil {
		old = []state.Object{volume}
	}
	if fact != nil {
		next = []state.Object{fact}
	}
	delete(t.volumes, name)
	for _, volume := range t.changes.replace(old, next) {
		t.volumes[name] = volume
	}
}

// newVolume returns the fact of a PersistentVolume.
func newVolume(in *VolumeInput) *state.PersistentVolume {
	return &state.PersistentVolume{
		Name: in.Name, Phase: in.Phase, Reason: truncateText(in.Reason), Message: truncateText(in.Message), StorageClass: in.StorageClass,
		ClaimNamespace: in.ClaimNamespace, Claim: in.Claim, CapacityBytes: in.CapacityBytes, CreatedAt: in.CreatedAt,
		PhaseSince: cmp.Or(in.PhaseSince, in.CreatedAt),
	}
}
