package samples

import (
	"github.com/prometheus/common/model"

	"rollcall.dev/rollcall/api/state"
)

var (
	claimPhases  = []string{"Lost", "Bound", "Pending"}
	volumePhases = []string{"Pending", "Available", "Bound", "Released", "Failed"}
)

// storageFamilies returns the families of PersistentVolumeClaims and PersistentVolumes.
func storageFamilies() []Family {
	var all []Family
	claim := func(name, help string, f func(v *state.Claim, add addFunc, labels []string)) {
		each := objectSeries(state.KindClaim, func(v *state.Claim, add addFunc) {
			f(v, add, []string{"namespace", v.Namespace, "persistentvolumeclaim", v.Name})
		})
		all = append(all, Family{"kube_persistentvolumeclaim_" + name, help, model.MetricTypeGauge, Details, kubeStateLabels, each})
	}
	claim("info", "Information about a PersistentVolumeClaim.", func(v *state.Claim, add addFunc, labels []string) {
		add(1, append(labels, "storageclass", v.StorageClass, "volumename", v.Volume, "volumemode", v.VolumeMode)...)
	})
	claim("status_phase", "The phase of a PersistentVolumeClaim.", func(v *state.Claim, add addFunc, labels []string) {
		if v.Phase != state.ClaimPhaseUnknown {
			addEnum(add, v.Phase.String(), claimPhases, "phase", labels...)
		}
	})
	claim("resource_requests_storage_bytes", "The storage that a PersistentVolumeClaim requests.", func(v *state.Claim, add addFunc, labels []string) {
		if v.RequestedBytes != 0 {
			add(float64(v.RequestedBytes), labels...)
		}
	})
	claim("created", "The creation time of a PersistentVolumeClaim, in Unix seconds.", func(v *state.Claim, add addFunc, labels []string) {
		addTime(add, v.CreatedAt, labels...)
	})

	volume := func(name, help string, f func(v *state.PersistentVolume, add addFunc, labels []string)) {
		each := objectSeries(state.KindPersistentVolume, func(v *state.PersistentVolume, add addFunc) {
			f(v, add, []string{"persistentvolume", v.Name})
		})
		all = append(all, Family{"kube_persistentvolume_" + name, help, model.MetricTypeGauge, Details, kubeStateLabels, each})
	}
	volume("info", "Information about a PersistentVolume.", func(v *state.PersistentVolume, add addFunc, labels []string) {
		add(1, append(labels, "storageclass", v.StorageClass)...)
	})
	volume("status_phase", "The phase of a PersistentVolume.", func(v *state.PersistentVolume, add addFunc, labels []string) {
		if v.Phase != state.VolumePhaseUnknown {
			addEnum(add, v.Phase.String(), volumePhases, "phase", labels...)
		}
	})
	volume("capacity_bytes", "The capacity of a PersistentVolume.", func(v *state.PersistentVolume, add addFunc, labels []string) {
		add(float64(v.CapacityBytes), labels...)
	})
	volume("claim_ref", "The PersistentVolumeClaim that a PersistentVolume is bound to.", func(v *state.PersistentVolume, add addFunc, labels []string) {
		if v.Claim != "" {
			add(1, append(labels, "name", v.Claim, "claim_namespace", v.ClaimNamespace)...)
		}
	})
	volume("created", "The creation time of a PersistentVolume, in Unix seconds.", func(v *state.PersistentVolume, add addFunc, labels []string) {
		addTime(add, v.CreatedAt, labels...)
	})
	return append(all, Family{
		"kubelet_volume_stats_capacity_bytes", "The capacity of a mounted PersistentVolumeClaim, as in its status.", model.MetricTypeGauge, Details, kubeletLabels, mountedCapacity,
	})
}

// mountedCapacity adds one series for each claim that is mounted by a pod.
func mountedCapacity(c *Cluster, out *Collector) {
	s := c.state()
	if s == nil {
		return
	}
	seen := map[[2]string]bool{}
	for e := range s.Entries(state.KindPod) {
		p := e.Object.(*state.Pod)
		for i := range p.Storage {
			v := &p.Storage[i]
			if claim := [2]string{p.Namespace, v.Claim}; v.CapacityBytes != 0 && !seen[claim] {
				seen[claim] = true
				out.Add(c.entryInterval(e).constant(float64(v.CapacityBytes)), "namespace", p.Namespace, "persistentvolumeclaim", v.Claim)
			}
		}
	}
}
