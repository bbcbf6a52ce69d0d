package oracle

import (
	"fmt"
	"math/rand/v2"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// randomOddPods returns pods with random combinations of statuses. Equal seeds give equal pods.
func randomOddPods(n int, seed uint64) []oddPod {
	r := random{rand.New(rand.NewPCG(seed, seed))}
	pods := make([]oddPod, n)
	for i := range pods {
		pods[i] = r.pod(fmt.Sprintf("random-%d-%03d", seed, i))
	}
	return pods
}

// random generates random statuses.
type random struct{ *rand.Rand }

// one returns one of its arguments.
func one[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

// pod returns a random pod.
func (r random) pod(name string) oddPod {
	p := oddPod{name: name, restarts: one(r, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever), deleted: r.IntN(6) == 0}
	for i := range r.IntN(4) {
		p.inits = append(p.inits, fmt.Sprintf("%s-%d", one(r, "init", "sidecar"), i))
	}
	for i := range 1 + r.IntN(3) {
		p.mains = append(p.mains, fmt.Sprintf("main-%d", i))
	}
	p.status = corev1.PodStatus{
		Phase:                 one(r, corev1.PodPending, corev1.PodRunning, corev1.PodRunning, corev1.PodSucceeded, corev1.PodFailed, corev1.PodUnknown),
		Reason:                one(r, "", "", "", "", "Evicted", "NodeLost", "Shutdown"),
		InitContainerStatuses: r.statuses(p.inits, 2),
		ContainerStatuses:     r.statuses(p.mains, 8),
		Conditions:            r.conditions(),
	}
	return p
}

// statuses returns statuses of most of the containers. One in oneIn containers is done: completed or, for a sidecar,
// running. The others have random statuses. Few pods would be initialized if oneIn were large for init containers.
func (r random) statuses(names []string, oneIn int) []corev1.ContainerStatus {
	var all []corev1.ContainerStatus
	for _, name := range names {
		switch {
		case r.IntN(12) == 0:
		case r.IntN(oneIn) == 0 && isSidecar(name):
			all = append(all, running(name))
		case r.IntN(oneIn) == 0:
			all = append(all, ended(name, 0, 0, "Completed"))
		default:
			all = append(all, r.status(name))
		}
	}
	return all
}

// status returns a random status.
func (r random) status(name string) corev1.ContainerStatus {
	var s corev1.ContainerStatus
	switch r.IntN(7) {
	case 0:
		s = with(corev1.ContainerStatus{Name: name}, nil)
	case 1, 2:
		s = waiting(name, one(r, "", "PodInitializing", "CrashLoopBackOff", "ImagePullBackOff", "ContainerCreating"))
	case 3, 4:
		s = running(name)
	default:
		s = ended(name, one[int32](r, 0, 0, 1, 137), one[int32](r, 0, 0, 9), one(r, "", "Completed", "Completed", "Error", "OOMKilled"))
	}
	s.Ready, s.Started = r.IntN(2) == 0, one(r, nil, new(true), new(true), new(false))
	switch r.IntN(3) {
	case 0:
		restarted(r.Int32N(5), time.Duration(3+r.IntN(100))*time.Hour)(&s)
	case 1:
		restartedWithoutRecord(r.Int32N(3))(&s)
	}
	return s
}

// conditions returns most of a pod's conditions, with random statuses.
func (r random) conditions() []corev1.PodCondition {
	var all []corev1.PodCondition
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.ContainersReady, corev1.PodReady} {
		if r.IntN(5) > 0 {
			all = append(all, corev1.PodCondition{
				Type: kind, Status: one(r, corev1.ConditionTrue, corev1.ConditionTrue, corev1.ConditionFalse, corev1.ConditionUnknown),
				Reason: one(r, "", "", "Because"), LastTransitionTime: ago(time.Hour),
			})
		}
	}
	return all
}
