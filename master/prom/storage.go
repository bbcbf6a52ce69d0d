package prom

import (
	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

var (
	claimPhases  = []string{"Lost", "Bound", "Pending"}
	volumePhases = []string{"Pending", "Available", "Bound", "Released", "Failed"}
)

// storageFamilies are of PersistentVolumeClaims and PersistentVolumes.
func storageFamilies() []family {
	var all []family
	claim := func(name, help string, f func(v *state.Claim, add adder, labels []string)) {
		each := objects(state.KindClaim, func(v *state.Claim, add adder) {
			f(v, add, []string{"namespace", v.Namespace, "persistentvolumeclaim", v.Name})
		})
		all = append(all, family{"kube_persistentvolumeclaim_" + name, help, model.MetricTypeGauge, Details, kubeState, each})
	}
	claim("info", "A claim.", func(v *state.Claim, add adder, labels []string) {
		add(1, append(labels, "storageclass", v.StorageClass, "volumename", v.Volume, "volumemode", v.VolumeMode)...)
	})
	claim("status_phase", "A claim's phase.", func(v *state.Claim, add adder, labels []string) {
		if v.Phase != state.ClaimPhaseUnknown {
			one(add, v.Phase.String(), claimPhases, "phase", labels...)
		}
	})
	claim("resource_requests_storage_bytes", "How much a claim requests.", func(v *state.Claim, add adder, labels []string) {
		if v.RequestedBytes != 0 {
			add(float64(v.RequestedBytes), labels...)
		}
	})
	claim("created", "When a claim was made, in Unix seconds.", func(v *state.Claim, add adder, labels []string) {
		created(add, v.CreatedAt, labels...)
	})

	volume := func(name, help string, f func(v *state.PersistentVolume, add adder, labels []string)) {
		each := objects(state.KindPersistentVolume, func(v *state.PersistentVolume, add adder) {
			f(v, add, []string{"persistentvolume", v.Name})
		})
		all = append(all, family{"kube_persistentvolume_" + name, help, model.MetricTypeGauge, Details, kubeState, each})
	}
	volume("info", "A PersistentVolume.", func(v *state.PersistentVolume, add adder, labels []string) {
		add(1, append(labels, "storageclass", v.StorageClass)...)
	})
	volume("status_phase", "A PersistentVolume's phase.", func(v *state.PersistentVolume, add adder, labels []string) {
		if v.Phase != state.VolumePhaseUnknown {
			one(add, v.Phase.String(), volumePhases, "phase", labels...)
		}
	})
	volume("capacity_bytes", "Size of a PersistentVolume.", func(v *state.PersistentVolume, add adder, labels []string) {
		add(float64(v.CapacityBytes), labels...)
	})
	volume("claim_ref", "The claim that a PersistentVolume is bound to.", func(v *state.PersistentVolume, add adder, labels []string) {
		if v.Claim != "" {
			add(1, append(labels, "name", v.Claim, "claim_namespace", v.ClaimNamespace)...)
		}
	})
	volume("created", "When a PersistentVolume was made, in Unix seconds.", func(v *state.PersistentVolume, add adder, labels []string) {
		created(add, v.CreatedAt, labels...)
	})
	return append(all, family{
		"kubelet_volume_stats_capacity_bytes", "Size of a claim that a pod mounts, as the claim's status has it.", model.MetricTypeGauge, Details, kubelet, mountedCapacity,
	})
}

// mountedCapacity makes a series of each claim that a pod mounts, however many do.
func mountedCapacity(c *cluster, out *sink) {
	s := c.state()
	if s == nil {
		return
	}
	told := map[[2]string]bool{}
	for e := range s.Entries(state.KindPod) {
		p := e.Object.(*state.Pod)
		for i := range p.Storage {
			v := &p.Storage[i]
			if claim := [2]string{p.Namespace, v.Claim}; v.CapacityBytes != 0 && !told[claim] {
				told[claim] = true
				out.add(c.asItIs(e).holds(float64(v.CapacityBytes)), "namespace", p.Namespace, "persistentvolumeclaim", v.Claim)
			}
		}
	}
}
