package informer

import (
	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer/slimpb"
)

// mounts returns the claims of a pod's volumes with the paths at which its containers
// mount them. A claim that no container mounts has an empty path. A block device has the path of
// the device.
func (c podConverter) mounts(pod string, spec *slimpb.PodSpec) []facts.Mount {
	var all []facts.Mount
	for _, volume := range spec.GetVolumes() {
		claim := c.interner.intern(claimName(pod, volume))
		if claim == "" {
			continue
		}
		paths := mountPaths(spec, volume.GetName())
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, path := range paths {
			all = append(all, facts.Mount{
				Volume: c.interner.intern(volume.GetName()), Claim: claim, Path: c.interner.intern(path),
				Ephemeral: volume.GetVolumeSource().GetPersistentVolumeClaim() == nil,
			})
		}
	}
	return all
}

// claimName returns the name of the claim of a volume, or "" for other kinds of volumes. The name of a
// generic ephemeral volume's claim consists of the names of pod and volume (KEP-1698).
func claimName(pod string, volume *slimpb.Volume) string {
	source := volume.GetVolumeSource()
	switch {
	case source.GetPersistentVolumeClaim() != nil:
		return source.GetPersistentVolumeClaim().GetClaimName()
	case source.GetEphemeral() != nil:
		return pod + "-" + volume.GetName()
	}
	return ""
}

// mountPaths returns the paths of a volume in all containers.
func mountPaths(spec *slimpb.PodSpec, volume string) []string {
	var paths []string
	for _, list := range [][]*slimpb.Container{spec.GetInitContainers(), spec.GetContainers()} {
		for _, container := range list {
			for _, m := range container.GetVolumeMounts() {
				if m.GetName() == volume {
					paths = append(paths, m.GetMountPath())
				}
			}
			for _, d := range container.GetVolumeDevices() {
				if d.GetName() == volume {
					paths = append(paths, d.GetDevicePath())
				}
			}
		}
	}
	return paths
}
