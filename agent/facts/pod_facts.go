package facts

import "rollcall.dev/rollcall/api/state"

// podFacts returns the facts of a pod and its containers without the pod's Storage. old and oldContainers are the
// previous facts of the same pod, if any. The times since when something is wrong are kept from them while it stays
// wrong. A time in the future, which the clock of a node may set, is replaced by now. crashed holds the known crashes
// of the containers and is updated.
func podFacts(in *PodInput, old *state.Pod, oldContainers []*state.Container, crashed crashes, now state.Time) (*state.Pod, []*state.Container) {
	pod := NewPod(in, old, now)
	blocking := blockingContainers(in)
	only := countTrue(blocking) == 1
	containers := make([]*state.Container, len(in.Containers))
	for i := range in.Containers {
		spec := &in.Containers[i]
		c, previous := newContainer(in, spec), findContainer(oldContainers, spec.Name)
		if blocking[i] {
			wasWorking := previous != nil && previous.NotReadySince == 0 && previous.Ready
			c.NotReadySince = min(containerNotReadySince(in, spec, only, wasWorking, now), now)
			if previous != nil && previous.NotReadySince != 0 {
				c.NotReadySince = min(previous.NotReadySince, c.NotReadySince)
			}
		}
		if canCrashLoop(in, spec, blocking[i]) {
			c.CrashLoopSince = crashed.observe(spec.Status, restartPolicyOf(in, spec), previous != nil && previous.CrashLoopSince != 0, c.NotReadySince, in.CreatedAt, now)
		}
		containers[i] = c
	}
	if !isWorkingPod(in, blocking) {
		pod.NotReadySince = min(podNotReadySince(in, containers, now), now)
		if old != nil && old.NotReadySince != 0 {
			pod.NotReadySince = min(old.NotReadySince, pod.NotReadySince)
		}
	}
	return pod, containers
}

// canCrashLoop reports whether a container can be in a crash loop. blocking reports whether it keeps the pod from
// working.
func canCrashLoop(pod *PodInput, c *ContainerInput, blocking bool) bool {
	return c.Status != nil && !pod.Phase.Finished() && c.Kind != state.Ephemeral && (c.Kind != state.Init || blocking)
}

func countTrue(flags []bool) int {
	n := 0
	for _, set := range flags {
		if set {
			n++
		}
	}
	return n
}

// findContainer returns the container with a name, or nil.
func findContainer(all []*state.Container, name string) *state.Container {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// sameAmounts reports whether two Resources are equal, except for Pods, which containers do not have.
func sameAmounts(a, b state.Resources) bool {
	if len(a.Extended) != len(b.Extended) {
		return false
	}
	for name, n := range a.Extended {
		if m, ok := b.Extended[name]; !ok || n != m {
			return false
		}
	}
	return a.CPUMillis == b.CPUMillis && a.MemoryBytes == b.MemoryBytes && a.EphemeralStorageBytes == b.EphemeralStorageBytes
}
