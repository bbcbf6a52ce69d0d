package facts

import (
	"cmp"

	"rollcall.dev/rollcall/api/state"
)

// SetVolume adds or updates PersistentVolumes.
func (t *Tracker) SetVolume(all ...*VolumeInput) state.Changes {
	for _, in := range all {
		t.replaceVolume(in.Name, volumeFact(in))
	}
	return t.flush()
}

// DeleteVolume removes a PersistentVolume.
func (t *Tracker) DeleteVolume(name string) state.Changes {
	t.deleteVolume(name)
	return t.flush()
}

// RetainVolumes removes all PersistentVolumes but these.
func (t *Tracker) RetainVolumes(these []Name) state.Changes {
	retain(these, Name.node, t.volumes, t.deleteVolume)
	return t.flush()
}

func (t *Tracker) deleteVolume(name string) { t.replaceVolume(name, nil) }

// replaceVolume replaces the fact of a volume; nil removes it.
func (t *Tracker) replaceVolume(name string, fact *state.PersistentVolume) {
	var held, fresh []state.Object
	if before := t.volumes[name]; before != nil {
		held = []state.Object{before}
	}
	if fact != nil {
		fresh = []state.Object{fact}
	}
	delete(t.volumes, name)
	for _, o := range t.changes.replace(held, fresh) {
		t.volumes[name] = o
	}
}

func volumeFact(in *VolumeInput) *state.PersistentVolume {
	return &state.PersistentVolume{
		Name: in.Name, Phase: in.Phase, Reason: text(in.Reason), Message: text(in.Message), StorageClass: in.StorageClass,
		ClaimNamespace: in.ClaimNamespace, Claim: in.Claim, CapacityBytes: in.CapacityBytes, CreatedAt: in.CreatedAt,
		PhaseSince: cmp.Or(in.PhaseSince, in.CreatedAt),
	}
}
