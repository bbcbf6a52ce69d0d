package realnode

import (
	"context"
	"slices"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollcall.dev/rollcall/test/kube"
)

// scenario is a pod whose containers bring it into a state.
type scenario struct {
	what string
	// pod is the pod to create. With static it is created as a static pod, with job as the pod of a Job; then its name in
	// the API differs.
	pod         *corev1.Pod
	static, job bool
	// slow is set if a kubelet may take more than three minutes. Then the scenario runs only with -watch; otherwise its
	// recording is replayed.
	slow bool
	// then, if it is set, is called with the pod when it runs.
	then func(*testing.T, *kube.Node, *corev1.Pod)
	// reached reports whether the pod is in the state. Pods in a crash loop leave the state and return to it.
	reached func(*corev1.Pod) bool
}

// allScenarios returns every scenario on a node, with its pods in a namespace.
func allScenarios(node, namespace string) []scenario {
	pod := func(name string, args ...string) *corev1.Pod { return newPod(namespace, name, args...) }
	return append(slices.Concat(crashScenarios(pod), waitingScenarios(pod), initScenarios(pod), endingScenarios(node, pod)),
		scenario{what: "A healthy pod.", pod: requesting(pod("running", "serve", "8080/tcp"), "30m", "20Mi", "64Mi"), reached: podReady},
		scenario{what: "A pod whose readiness probe fails.", pod: unready(pod("not-ready", "serve", "8080/tcp")), reached: runsUnready},
		scenario{what: "A pod with a readiness gate that nobody sets.", pod: gated(pod("readiness-gate", "pause")), reached: runsUnready},
		scenario{what: "A static pod.", pod: pod("static", "pause"), static: true, reached: podReady},
		scenario{what: "A pod in the network of its node.", pod: inHostNetwork(pod("host-network", "pause")), reached: podReady},
		scenario{what: "A pod with an ephemeral container that ends.", pod: pod("ephemeral", "pause"), then: debug, reached: ephemeralEnded},
	)
}

// killedScenarios returns the scenarios in which the kubelet is killed when their pods are ready, and started again.
func killedScenarios(namespace string) []scenario {
	return []scenario{
		{
			what:    "A healthy pod, while its kubelet is killed and started again a minute later.",
			pod:     newPod(namespace, "kubelet-killed-running", "serve", "8080/tcp"),
			reached: podReady,
		},
		{
			what:    "A container that ends with exit code 3 after 5 s, after its kubelet was killed. The kubelet is started again a minute later.",
			pod:     newPod(namespace, "kubelet-killed-ended", "exit", "3", "5s"),
			reached: restarted,
		},
	}
}

// crashScenarios returns the scenarios in which a container restarts again and again.
func crashScenarios(pod func(string, ...string) *corev1.Pod) []scenario {
	crashesAtInit := withInit(pod("init-crash-loop", "pause"), nil, "exit", "5", "0s")
	outOfMemory := pod("oom-killed", "allocate", "64")
	outOfMemory.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
	dead := pod("liveness", "serve", "8080/tcp")
	dead.Spec.Containers[0].LivenessProbe = failingProbe()
	neverStarted := pod("startup", "serve", "8080/tcp")
	neverStarted.Spec.Containers[0].StartupProbe = failingProbe()
	noProgram := pod("start-error")
	noProgram.Spec.Containers[0].Command = []string{"/missing"}
	failingHook := pod("post-start", "pause")
	failingHook.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{
		PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"/missing"}}},
	}
	half := pod("crash-loop-half", "exit", "3", "0s")
	half.Spec.Containers = append(half.Spec.Containers, corev1.Container{Name: "second", Image: kube.ProgramImage})
	return []scenario{
		{what: "A container whose startup probe fails each time it is started.", pod: neverStarted, reached: restarted},
		{what: "A container whose program does not exist.", pod: noProgram, reached: waitsFor("CrashLoopBackOff")},
		{what: "A container whose hook after the start fails.", pod: failingHook, reached: waitsFor("CrashLoopBackOff")},
		{what: "A pod of two containers of which one ends with exit code 3, each time it is started.", pod: half, reached: waitsFor("CrashLoopBackOff")},
		{what: "A container that ends with exit code 3 at once, each time it is started.", pod: pod("crash-loop", "exit", "3", "0s"), reached: waitsFor("CrashLoopBackOff")},
		{what: "A container that ends with exit code 3 two seconds after each start.", pod: pod("crash-loop-slow", "exit", "3", "2s"), reached: waitsFor("CrashLoopBackOff")},
		{what: "A container that completes, and is restarted each time.", pod: pod("crash-loop-completed", "exit", "0", "0s"), reached: waitsFor("CrashLoopBackOff")},
		{what: "A container that uses more memory than its limit, each time it is started.", pod: outOfMemory, reached: oomKilled},
		{what: "A container whose liveness probe fails each time it is started.", pod: dead, reached: restarted},
		{what: "An init container that ends with exit code 5 each time it is started.", pod: crashesAtInit, reached: waitsFor("CrashLoopBackOff")},
	}
}

// waitingScenarios returns the scenarios in which a container never starts.
func waitingScenarios(pod func(string, ...string) *corev1.Pod) []scenario {
	never := pod("image-never")
	never.Spec.Containers[0].Image = "rollcall.test/missing:1"
	never.Spec.Containers[0].ImagePullPolicy = corev1.PullNever
	refused := pod("image-pull")
	refused.Spec.Containers[0].Image = "127.0.0.1:9/missing:1" // a port of the node's loopback address without a listener
	invalid := pod("image-invalid")
	invalid.Spec.Containers[0].Image = "rollcall.test/NOT:valid:1"
	nowhere := pod("unschedulable", "pause")
	nowhere.Spec.NodeSelector = map[string]string{"rollcall.test/missing": "true"}
	held := pod("scheduling-gate", "pause")
	held.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "rollcall.test/gate"}}
	secret := corev1.LocalObjectReference{Name: "missing"}
	environment := pod("secret-env", "pause")
	environment.Spec.Containers[0].Env = []corev1.EnvVar{
		{Name: "PASSWORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: secret, Key: "password"}}},
	}
	volume := pod("secret-volume", "pause")
	volume.Spec.Volumes = []corev1.Volume{
		{Name: "secret", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret.Name}}},
	}
	volume.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "secret", MountPath: "/secret"}}
	return []scenario{
		{what: "An image that is not on the node and must not be pulled.", pod: never, reached: waitsFor("ErrImageNeverPull")},
		{what: "An image whose name is invalid.", pod: invalid, reached: waitsFor("InvalidImageName")},
		{what: "A pod that fits on no node.", pod: nowhere, reached: notScheduled(corev1.PodReasonUnschedulable)},
		{what: "A pod with a scheduling gate.", pod: held, reached: notScheduled(corev1.PodReasonSchedulingGated)},
		{what: "An image whose registry refuses connections.", pod: refused, reached: waitsFor("ImagePullBackOff")},
		{what: "A variable from a Secret that is missing.", pod: environment, reached: waitsFor("CreateContainerConfigError")},
		{what: "A volume from a Secret that is missing.", pod: volume, reached: waitsFor("ContainerCreating")},
	}
}

// initScenarios returns the scenarios with init containers and sidecars.
func initScenarios(pod func(string, ...string) *corev1.Pod) []scenario {
	initializing := requesting(withInit(pod("init-running", "pause"), nil, "pause"), "50m", "10Mi", "20Mi")
	initialized := withInit(pod("init-completed", "pause"), nil, "exit", "0", "1s")
	always := new(corev1.ContainerRestartPolicyAlways)
	starting := withInit(pod("sidecar-starting", "pause"), always, "serve", "8080/tcp")
	starting.Spec.InitContainers[0].StartupProbe = failingProbe()
	starting.Spec.InitContainers[0].StartupProbe.FailureThreshold = 1000
	unready := withInit(pod("sidecar-not-ready", "pause"), always, "serve", "8080/tcp")
	unready.Spec.InitContainers[0].ReadinessProbe = failingProbe()
	completes := withoutRestart(withInit(pod("with-sidecar", "exit", "0", "2s"), always, "pause"))
	return []scenario{
		{what: "An init container that does not end.", pod: initializing, reached: initRuns},
		{what: "An init container that completes.", pod: initialized, reached: podReady},
		{what: "A sidecar.", pod: requesting(withInit(pod("sidecar", "pause"), always, "pause"), "40m", "16Mi", "32Mi"), reached: podReady},
		{what: "A sidecar that ends with exit code 5 at once, each time it is started.", pod: withInit(pod("sidecar-crash-loop", "pause"), always, "exit", "5", "0s"), reached: waitsFor("CrashLoopBackOff")},
		{what: "A sidecar whose startup probe fails.", pod: starting, reached: initRuns},
		{what: "A sidecar whose readiness probe fails.", pod: unready, reached: runsUnready},
		{what: "The pod of a Job with a sidecar that completes.", pod: completes, job: true, reached: phase(corev1.PodSucceeded)},
	}
}

// endingScenarios returns the scenarios of pods that end or are deleted.
func endingScenarios(node string, pod func(string, ...string) *corev1.Pod) []scenario {
	late := pod("deadline", "pause")
	late.Spec.ActiveDeadlineSeconds = new(int64(3))
	partly := pod("partly-completed", "exit", "0", "1s")
	partly.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
	partly.Spec.Containers = append(partly.Spec.Containers, corev1.Container{Name: "second", Image: kube.ProgramImage})
	full := pod("evicted", "fill", "/data/file", "4")
	full.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{SizeLimit: new(resource.MustParse("1Mi"))}}}}
	full.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	tooLarge := pod("rejected", "pause")
	tooLarge.Spec.NodeName = node
	tooLarge.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1000")}
	ending := pod("long-grace", "pause")
	ending.Spec.TerminationGracePeriodSeconds = new(int64(600))
	ending.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 600}}}
	return []scenario{
		{what: "The pod of a Job that completes.", pod: withoutRestart(pod("job", "exit", "0", "1s")), job: true, reached: phase(corev1.PodSucceeded)},
		{what: "A pod that fails and is not restarted.", pod: withoutRestart(pod("failed", "exit", "4", "1s")), reached: phase(corev1.PodFailed)},
		{what: "A pod that is ended by its activeDeadlineSeconds.", pod: late, reached: phase(corev1.PodFailed)},
		{what: "A pod that writes more to a volume than its limit.", pod: full, slow: true, reached: phase(corev1.PodFailed)},
		{what: "A pod that names its node, which has not enough CPU.", pod: tooLarge, reached: phase(corev1.PodFailed)},
		{what: "A pod of two containers of which one has completed.", pod: partly, reached: runsUnready},
		{what: "A pod that is deleted and uses its grace period of ten minutes.", pod: ending, then: deletePod, reached: terminating},
	}
}

// withInit adds an init container or, with the restart policy Always, a sidecar.
func withInit(pod *corev1.Pod, policy *corev1.ContainerRestartPolicy, args ...string) *corev1.Pod {
	pod.Spec.InitContainers = []corev1.Container{{Name: "init", Image: kube.ProgramImage, Args: args, RestartPolicy: policy}}
	return pod
}

// requesting sets the requests of all containers, and their limit of memory.
func requesting(pod *corev1.Pod, cpu, memory, limit string) *corev1.Pod {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			containers[i].Resources = corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(limit)},
			}
		}
	}
	return pod
}

// gated adds a readiness gate.
func gated(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "rollcall.test/gate"}}
	return pod
}

// inHostNetwork makes the pod use the network of its node.
func inHostNetwork(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.HostNetwork = true
	return pod
}

// debug adds an ephemeral container, as `kubectl debug` does.
func debug(t *testing.T, node *kube.Node, pod *corev1.Pod) {
	t.Helper()
	pod = pod.DeepCopy()
	pod.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debugger", Image: kube.ProgramImage, Args: []string{"exit", "6", "1s"}},
	}}
	if _, err := node.Cluster.Client().CoreV1().Pods(pod.Namespace).UpdateEphemeralContainers(t.Context(), pod.Name, pod, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// deletePod deletes a pod, and again without a grace period when the test ends.
func deletePod(t *testing.T, node *kube.Node, pod *corev1.Pod) {
	t.Helper()
	pods := node.Cluster.Client().CoreV1().Pods(pod.Namespace)
	if err := pods.Delete(t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pods.Delete(context.Background(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Error(err)
		}
	})
}

// withoutRestart sets the restart policy Never.
func withoutRestart(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	return pod
}

// unready adds a readiness probe that fails.
func unready(pod *corev1.Pod) *corev1.Pod {
	pod.Spec.Containers[0].ReadinessProbe = failingProbe()
	return pod
}

// failingProbe returns a probe that always fails.
func failingProbe() *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/fail", Port: intstr.FromInt32(8080)}},
		PeriodSeconds: 1,
	}
}

// restarted reports whether the first container has been restarted.
func restarted(pod *corev1.Pod) bool {
	return len(pod.Status.ContainerStatuses) > 0 && pod.Status.ContainerStatuses[0].RestartCount > 0
}

// phase returns a condition: the pod is in the phase.
func phase(want corev1.PodPhase) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool { return pod.Status.Phase == want }
}

// runsUnready reports whether a pod is running and not ready.
func runsUnready(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodRunning && conditionOf(pod, corev1.PodReady) == corev1.ConditionFalse
}

// initRuns reports whether the first init container is running.
func initRuns(pod *corev1.Pod) bool {
	return len(pod.Status.InitContainerStatuses) > 0 && pod.Status.InitContainerStatuses[0].State.Running != nil
}

// ephemeralEnded reports whether an ephemeral container has ended.
func ephemeralEnded(pod *corev1.Pod) bool {
	return len(pod.Status.EphemeralContainerStatuses) > 0 && pod.Status.EphemeralContainerStatuses[0].State.Terminated != nil
}

// terminating reports whether a pod is being deleted.
func terminating(pod *corev1.Pod) bool { return pod.DeletionTimestamp != nil }

// notScheduled returns a condition: the pod is not scheduled for the reason.
func notScheduled(reason string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == reason
		})
	}
}

// waitsFor returns a condition: a container waits for the reason.
func waitsFor(reason string) func(*corev1.Pod) bool {
	return func(pod *corev1.Pod) bool {
		for _, s := range allContainers(pod) {
			if s.State.Waiting != nil && s.State.Waiting.Reason == reason {
				return true
			}
		}
		return false
	}
}

// oomKilled reports whether a container has been OOM-killed.
func oomKilled(pod *corev1.Pod) bool {
	for _, s := range allContainers(pod) {
		for _, state := range []corev1.ContainerState{s.State, s.LastTerminationState} {
			if state.Terminated != nil && state.Terminated.Reason == "OOMKilled" {
				return true
			}
		}
	}
	return false
}

// jobOf returns a Job that creates one pod with the spec of the given pod.
func jobOf(pod *corev1.Pod) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod.Spec}},
	}
}
