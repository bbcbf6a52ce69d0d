package realnode

import (
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
	// reached reports whether the pod is in the state. Pods in a crash loop leave the state and return to it.
	reached func(*corev1.Pod) bool
}

// allScenarios returns every scenario, with its pods in a namespace.
func allScenarios(namespace string) []scenario {
	pod := func(name string, args ...string) *corev1.Pod { return newPod(namespace, name, args...) }
	list := append(crashScenarios(pod), waitingScenarios(pod)...)
	return append(list,
		scenario{what: "A healthy pod.", pod: pod("running", "serve", "8080/tcp"), reached: podReady},
		scenario{what: "A pod whose readiness probe fails.", pod: unready(pod("not-ready", "serve", "8080/tcp")), reached: runsUnready},
		scenario{what: "The pod of a Job that completes.", pod: withoutRestart(pod("job", "exit", "0", "1s")), job: true, reached: phase(corev1.PodSucceeded)},
		scenario{what: "A pod that fails and is not restarted.", pod: withoutRestart(pod("failed", "exit", "4", "1s")), reached: phase(corev1.PodFailed)},
		scenario{what: "A static pod.", pod: pod("static", "pause"), static: true, reached: podReady},
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
	crashesAtInit := pod("init-crash-loop", "pause")
	crashesAtInit.Spec.InitContainers = []corev1.Container{{Name: "init", Image: kube.ProgramImage, Args: []string{"exit", "5", "0s"}}}
	outOfMemory := pod("oom-killed", "allocate", "64")
	outOfMemory.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("16Mi")}
	dead := pod("liveness", "serve", "8080/tcp")
	dead.Spec.Containers[0].LivenessProbe = failingProbe()
	return []scenario{
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
		{what: "An image whose registry refuses connections.", pod: refused, reached: waitsFor("ImagePullBackOff")},
		{what: "A variable from a Secret that is missing.", pod: environment, reached: waitsFor("CreateContainerConfigError")},
		{what: "A volume from a Secret that is missing.", pod: volume, reached: waitsFor("ContainerCreating")},
	}
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

// allContainers returns the statuses of init containers and main containers.
func allContainers(pod *corev1.Pod) []corev1.ContainerStatus {
	return append(append([]corev1.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...)
}

// jobOf returns a Job that creates one pod with the spec of the given pod.
func jobOf(pod *corev1.Pod) *batchv1.Job {
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name},
		Spec:       batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod.Spec}},
	}
}
