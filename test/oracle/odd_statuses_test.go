package oracle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// oddPods returns pods for all branches of printPod.
func oddPods() []oddPod {
	pods := append(initializingPods(), runningPods()...)
	pods = append(pods, endedPods()...)
	pods = append(pods, deletedPods()...)
	for i := range pods {
		if len(pods[i].mains) == 0 {
			pods[i].mains = []string{"main"}
		}
	}
	return pods
}

// initializingPods returns pods with an init container that has not completed.
func initializingPods() []oddPod {
	pending := func(inits ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodPending, InitContainerStatuses: inits, ContainerStatuses: containers(waiting("main", "PodInitializing")), Conditions: conditions("PodScheduled", "!Initialized", "!ContainersReady", "!Ready")}
	}
	initialized := func(main corev1.ContainerStatus, inits ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: corev1.PodRunning, InitContainerStatuses: inits, ContainerStatuses: containers(main), Conditions: conditions("PodScheduled", "Initialized", "!ContainersReady", "!Ready")}
	}
	two := []string{"first", "second"}
	return []oddPod{
		{name: "init-without-status", inits: two, status: corev1.PodStatus{Phase: corev1.PodPending}, want: [3]string{"Pending", "0/1", "0"}},
		{name: "init-crash-loop", inits: two, status: pending(waiting("first", "CrashLoopBackOff", restarted(5, 3*time.Hour)), waiting("second", "PodInitializing")), want: [3]string{"Init:CrashLoopBackOff", "0/1", "5 (3h ago)"}},
		{name: "init-image-pull", inits: two, status: pending(ended("first", 0, 0, "Completed", restarted(1, 26*time.Hour)), waiting("second", "ImagePullBackOff")), want: [3]string{"Init:ImagePullBackOff", "0/1", "1 (26h ago)"}},
		{name: "init-0-2", inits: two, status: pending(running("first", unready), waiting("second", "PodInitializing")), want: [3]string{"Init:0/2", "0/1", "0"}},
		{name: "init-1-2", inits: two, status: pending(ended("first", 0, 0, "Completed"), waiting("second", "PodInitializing")), want: [3]string{"Init:1/2", "0/1", "0"}},
		{name: "init-waiting", inits: two, status: pending(waiting("first", ""), waiting("second", "")), want: [3]string{"Init:0/2", "0/1", "0"}},
		{name: "init-signal", inits: two, status: pending(ended("first", 137, 9, ""), waiting("second", "PodInitializing")), want: [3]string{"Init:Signal:9", "0/1", "0"}},
		{name: "init-exit-code", inits: two, status: pending(ended("first", 1, 0, "", restartedWithoutRecord(2)), waiting("second", "PodInitializing")), want: [3]string{"Init:ExitCode:1", "0/1", "2"}},
		{name: "init-error", inits: two, status: pending(ended("first", 1, 0, "Error"), waiting("second", "PodInitializing")), want: [3]string{"Init:Error", "0/1", "0"}},
		{name: "init-stateless", inits: two, status: pending(corev1.ContainerStatus{Name: "first"}, corev1.ContainerStatus{Name: "second"}), want: [3]string{"Init:0/2", "0/1", "0"}},
		{name: "init-failed-though-initialized", inits: two, status: initialized(waiting("main", "PodInitializing"), ended("first", 1, 0, "Error", restartedWithoutRecord(3)), waiting("second", "PodInitializing")), want: [3]string{"PodInitializing", "0/1", "0"}},
		{name: "sidecar-starting", inits: []string{"sidecar", "second"}, status: pending(running("sidecar", starting), waiting("second", "PodInitializing")), want: [3]string{"Init:0/2", "0/2", "0"}},
		{name: "sidecar-without-started", inits: []string{"sidecar"}, status: pending(running("sidecar", func(s *corev1.ContainerStatus) { s.Started = nil })), want: [3]string{"Init:0/1", "0/2", "0"}},
		{name: "sidecar-started-then-init", inits: []string{"sidecar", "second"}, status: pending(running("sidecar"), running("second", unready)), want: [3]string{"Init:1/2", "1/2", "0"}},
		{name: "sidecar-crash-loop", inits: []string{"sidecar"}, status: pending(waiting("sidecar", "CrashLoopBackOff", restarted(4, 5*time.Hour))), want: [3]string{"Init:CrashLoopBackOff", "0/2", "4 (5h ago)"}},
		{name: "sidecar-failed", inits: []string{"sidecar"}, status: pending(ended("sidecar", 2, 0, "")), want: [3]string{"Init:ExitCode:2", "0/2", "0"}},
		{name: "sidecar-failing-though-initialized", inits: []string{"first", "sidecar"}, status: initialized(running("main", restarted(1, 50*time.Hour)), ended("first", 0, 0, "Completed", restarted(7, 2*time.Hour)), waiting("sidecar", "CrashLoopBackOff", restarted(4, 5*time.Hour))), want: [3]string{"Init:CrashLoopBackOff", "1/2", "5 (5h ago)"}},
		{name: "sidecar-restarting-though-initialized", inits: []string{"sidecar"}, status: initialized(running("main"), running("sidecar", starting, restarted(2, 3*time.Hour))), want: [3]string{"Init:0/1", "1/2", "2 (3h ago)"}},
	}
}

// runningPods returns pods that are initialized and have not ended.
func runningPods() []oddPod {
	of := func(phase corev1.PodPhase, ready string, mains ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: phase, ContainerStatuses: mains, Conditions: conditions("PodScheduled", "Initialized", ready)}
	}
	two := []string{"main", "other"}
	withSidecar := of(corev1.PodRunning, "Ready", running("main", restarted(2, 4*time.Hour)))
	withSidecar.InitContainerStatuses = containers(ended("first", 0, 0, "Completed", restarted(9, time.Hour)), running("sidecar", restarted(1, 3*time.Hour)))
	unreadySidecar := of(corev1.PodRunning, "!Ready", running("main"))
	unreadySidecar.InitContainerStatuses = containers(running("sidecar", unready))
	endedSidecar := of(corev1.PodRunning, "!Ready", running("main"))
	endedSidecar.InitContainerStatuses = containers(ended("sidecar", 0, 0, "Completed", restartedWithoutRecord(1)))
	return []oddPod{
		{name: "running", mains: two, priority: "system-node-critical", status: of(corev1.PodRunning, "Ready", running("main"), running("other")), want: [3]string{"Running", "2/2", "0"}},
		{name: "running-unready", mains: two, status: of(corev1.PodRunning, "!Ready", running("main"), running("other", unready)), want: [3]string{"Running", "1/2", "0"}},
		{name: "creating", status: of(corev1.PodPending, "!Ready", waiting("main", "ContainerCreating")), want: [3]string{"ContainerCreating", "0/1", "0"}},
		{name: "waiting", status: of(corev1.PodPending, "!Ready", waiting("main", "")), want: [3]string{"Pending", "0/1", "0"}},
		{name: "stateless", status: of(corev1.PodRunning, "!Ready", corev1.ContainerStatus{Name: "main", Ready: true}), want: [3]string{"Running", "0/1", "0"}},
		{name: "image-pull", mains: two, status: of(corev1.PodPending, "!Ready", waiting("main", "ErrImagePull"), running("other")), want: [3]string{"ErrImagePull", "1/2", "0"}},
		{name: "two-waiting", mains: two, status: of(corev1.PodPending, "!Ready", waiting("main", "ErrImagePull"), waiting("other", "ImagePullBackOff")), want: [3]string{"ErrImagePull", "0/2", "0"}},
		{name: "crash-loop", status: of(corev1.PodRunning, "!Ready", waiting("main", "CrashLoopBackOff", restarted(5, 3*time.Minute))), want: [3]string{"CrashLoopBackOff", "0/1", ""}},
		{name: "restarts-of-two", mains: two, status: of(corev1.PodRunning, "Ready", running("main", restarted(2, 40*time.Hour)), running("other", restarted(3, 30*time.Hour))), want: [3]string{"Running", "2/2", "5 (30h ago)"}},
		{name: "restarts-forgotten", status: of(corev1.PodRunning, "Ready", running("main", restartedWithoutRecord(4))), want: [3]string{"Running", "1/1", "4"}},
		{name: "ended-before-without-restart", status: of(corev1.PodRunning, "Ready", running("main", restarted(0, time.Hour))), want: [3]string{"Running", "1/1", "0"}},
		{name: "restarts-of-days", status: of(corev1.PodRunning, "Ready", running("main", restarted(12, 30*24*time.Hour))), want: [3]string{"Running", "1/1", "12 (30d ago)"}},
		{name: "sidecar-started", inits: []string{"first", "sidecar"}, status: withSidecar, want: [3]string{"Running", "2/2", "3 (3h ago)"}},
		{name: "sidecar-unready", inits: []string{"sidecar"}, status: unreadySidecar, want: [3]string{"Running", "1/2", "0"}},
		{name: "sidecar-ended", inits: []string{"sidecar"}, status: endedSidecar, want: [3]string{"Running", "1/2", "1"}},
		{name: "one-completed", mains: two, status: of(corev1.PodRunning, "Ready", ended("main", 0, 0, "Completed"), running("other")), want: [3]string{"Running", "1/2", "0"}},
		{name: "one-completed-not-ready", mains: two, status: of(corev1.PodRunning, "!Ready", ended("main", 0, 0, "Completed"), running("other")), want: [3]string{"NotReady", "1/2", "0"}},
		{name: "one-completed-last", mains: two, status: of(corev1.PodRunning, "!Ready", running("main"), ended("other", 0, 0, "Completed")), want: [3]string{"NotReady", "1/2", "0"}},
		{name: "one-completed-one-unready", mains: two, status: of(corev1.PodRunning, "!Ready", ended("main", 0, 0, "Completed"), running("other", unready)), want: [3]string{"Completed", "0/2", "0"}},
		{name: "one-failed", mains: two, status: of(corev1.PodRunning, "!Ready", ended("main", 1, 0, "Error"), running("other")), want: [3]string{"Error", "1/2", "0"}},
		{name: "unknown-container", mains: two, status: of(corev1.PodRunning, "Ready", running("main"), running("unlisted", restartedWithoutRecord(2))), want: [3]string{"Running", "2/2", "2"}},
		{name: "phase-unknown", status: corev1.PodStatus{Phase: corev1.PodUnknown}, want: [3]string{"Unknown", "0/1", "0"}},
		{name: "gated", gated: true, want: [3]string{"SchedulingGated", "0/1", "0"}},
	}
}

// endedPods returns pods that have succeeded or failed.
func endedPods() []oddPod {
	of := func(phase corev1.PodPhase, reason string, mains ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: phase, Reason: reason, ContainerStatuses: mains, Conditions: conditions("PodScheduled", "Initialized", "!Ready")}
	}
	two := []string{"main", "other"}
	never := corev1.RestartPolicyNever
	return []oddPod{
		{name: "completed", mains: two, restarts: never, status: of(corev1.PodSucceeded, "", ended("main", 0, 0, "Completed"), ended("other", 0, 0, "Completed")), want: [3]string{"Completed", "0/2", "0"}},
		{name: "succeeded-silently", restarts: never, status: of(corev1.PodSucceeded, ""), want: [3]string{"Succeeded", "0/1", "0"}},
		{name: "failed-one-completed", mains: two, restarts: never, status: of(corev1.PodFailed, "", ended("main", 0, 0, "Completed"), ended("other", 1, 0, "Error")), want: [3]string{"Error", "0/2", "0"}},
		{name: "failed-last-completed", mains: two, restarts: never, status: of(corev1.PodFailed, "", ended("main", 137, 0, "OOMKilled"), ended("other", 0, 0, "Completed")), want: [3]string{"OOMKilled", "0/2", "0"}},
		{name: "failed-completed-by-code", mains: two, restarts: never, status: of(corev1.PodFailed, "", ended("main", 3, 0, "Completed"), running("other")), want: [3]string{"Completed", "1/2", "0"}},
		{name: "failed-silently", restarts: never, status: of(corev1.PodFailed, ""), want: [3]string{"Failed", "0/1", "0"}},
		{name: "signal", restarts: never, status: of(corev1.PodFailed, "", ended("main", 137, 9, "")), want: [3]string{"Signal:9", "0/1", "0"}},
		{name: "exit-code", restarts: never, status: of(corev1.PodFailed, "", ended("main", 3, 0, "")), want: [3]string{"ExitCode:3", "0/1", "0"}},
		{name: "exit-code-0", restarts: never, status: of(corev1.PodSucceeded, "", ended("main", 0, 0, "")), want: [3]string{"ExitCode:0", "0/1", "0"}},
		{name: "evicted", status: of(corev1.PodFailed, "Evicted"), want: [3]string{"Evicted", "0/1", "0"}},
		{name: "evicted-with-containers", status: of(corev1.PodFailed, "Evicted", ended("main", 137, 0, "ContainerStatusUnknown", restartedWithoutRecord(1))), want: [3]string{"ContainerStatusUnknown", "0/1", "1"}},
		{name: "preempted", status: of(corev1.PodFailed, "Preempting", waiting("main", "")), want: [3]string{"Preempting", "0/1", "0"}},
	}
}

// deletedPods returns pods that are being deleted, or whose node is lost.
func deletedPods() []oddPod {
	of := func(phase corev1.PodPhase, reason string, mains ...corev1.ContainerStatus) corev1.PodStatus {
		return corev1.PodStatus{Phase: phase, Reason: reason, ContainerStatuses: mains, Conditions: conditions("PodScheduled", "Initialized", "Ready")}
	}
	return []oddPod{
		{name: "node-lost", status: of(corev1.PodRunning, "NodeLost"), want: [3]string{"NodeLost", "0/1", "0"}},
		{name: "node-lost-terminating", status: of(corev1.PodRunning, "NodeLost", running("main")), deleted: true, want: [3]string{"Unknown", "1/1", "0"}},
		{name: "node-lost-succeeded-terminating", status: of(corev1.PodSucceeded, "NodeLost", ended("main", 0, 0, "Completed")), deleted: true, want: [3]string{"Unknown", "0/1", "0"}},
		{name: "terminating", status: of(corev1.PodRunning, "", running("main", restarted(1, 5*time.Hour))), deleted: true, want: [3]string{"Terminating", "1/1", "1 (5h ago)"}},
		{name: "terminating-crash-loop", status: of(corev1.PodRunning, "", waiting("main", "CrashLoopBackOff")), deleted: true, want: [3]string{"Terminating", "0/1", "0"}},
		{name: "terminating-pending", status: of(corev1.PodPending, ""), deleted: true, want: [3]string{"Terminating", "0/1", "0"}},
		{name: "terminating-succeeded", status: of(corev1.PodSucceeded, "", ended("main", 0, 0, "Completed")), deleted: true, want: [3]string{"Completed", "0/1", "0"}},
		{name: "terminating-failed", status: of(corev1.PodFailed, "", ended("main", 1, 0, "Error")), deleted: true, want: [3]string{"Error", "0/1", "0"}},
		{name: "terminating-evicted", status: of(corev1.PodFailed, "Evicted"), deleted: true, want: [3]string{"Evicted", "0/1", "0"}},
		{name: "terminating-unknown", status: of(corev1.PodUnknown, ""), deleted: true, want: [3]string{"Terminating", "0/1", "0"}},
	}
}
