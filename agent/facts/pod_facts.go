package facts

import "rollcall.dev/rollcall/api/state"

// podFacts returns the facts of a pod and of its containers, but for the capacity of
// its claims. held and heldContainers are those that were returned for the pod before,
// as far as they are of the same pod: what they say of since when something is wrong
// stays while it is wrong. A time that is still to come, by the clock of a node that is
// ahead, is taken to be now. seen holds what is known of the crashes of its containers.
func podFacts(in *PodInput, held *state.Pod, heldContainers []*state.Container, seen crashes, now state.Time) (*state.Pod, []*state.Container) {
	pod := Pod(in, held, now)
	bad := blamed(in)
	alone := count(bad) == 1
	containers := make([]*state.Container, len(in.Containers))
	for i := range in.Containers {
		spec := &in.Containers[i]
		c, before := container(in, spec), containerNamed(heldContainers, spec.Name)
		if bad[i] {
			wasWorking := before != nil && before.NotReadySince == 0 && before.Ready
			c.NotReadySince = min(containerNotReadySince(in, spec, alone, wasWorking, now), now)
			if before != nil && before.NotReadySince != 0 {
				c.NotReadySince = min(before.NotReadySince, c.NotReadySince)
			}
		}
		if mayLoop(in, spec, bad[i]) {
			c.CrashLoopSince = seen.observe(spec.Status, policyOf(in, spec), before != nil && before.CrashLoopSince != 0, c.NotReadySince, in.CreatedAt, now)
		}
		containers[i] = c
	}
	if !workingPod(in, bad) {
		pod.NotReadySince = min(podNotReadySince(in, containers, now), now)
		if held != nil && held.NotReadySince != 0 {
			pod.NotReadySince = min(held.NotReadySince, pod.NotReadySince)
		}
	}
	return pod, containers
}

// mayLoop reports whether a container can be in a crash loop.
func mayLoop(pod *PodInput, c *ContainerInput, bad bool) bool {
	return c.Status != nil && !pod.Phase.Finished() && c.Kind != state.Ephemeral && (c.Kind != state.Init || bad)
}

func count(flags []bool) int {
	n := 0
	for _, set := range flags {
		if set {
			n++
		}
	}
	return n
}

func containerNamed(all []*state.Container, name string) *state.Container {
	for _, c := range all {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// sameAmounts reports whether two amounts are equal.
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
