package informer

import (
	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
)

// mounts are the claims of a pod's volumes and where its containers have them. A
// claim that no container mounts is one without a path; that of a block device has
// the device's.
func (c podConverter) mounts(pod *corev1.Pod) []facts.Mount {
	var all []facts.Mount
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		claim := c.shared.of(claimName(pod, volume))
		if claim == "" {
			continue
		}
		paths := mountPaths(pod, volume.Name)
		if len(paths) == 0 {
			paths = []string{""}
		}
		for _, path := range paths {
			all = append(all, facts.Mount{Claim: claim, Path: c.shared.of(path)})
		}
	}
	return all
}

// claimName is the claim behind a volume; empty where it is a volume of another
// kind. A generic ephemeral volume's claim is named after pod and volume (KEP-1698).
func claimName(pod *corev1.Pod, volume *corev1.Volume) string {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return volume.PersistentVolumeClaim.ClaimName
	case volume.Ephemeral != nil:
		return pod.Name + "-" + volume.Name
	}
	return ""
}

func mountPaths(pod *corev1.Pod, volume string) []string {
	var paths []string
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			for _, m := range list[i].VolumeMounts {
				if m.Name == volume {
					paths = append(paths, m.MountPath)
				}
			}
			for _, d := range list[i].VolumeDevices {
				if d.Name == volume {
					paths = append(paths, d.DevicePath)
				}
			}
		}
	}
	return paths
}
