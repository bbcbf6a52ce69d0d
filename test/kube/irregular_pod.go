package kube

import (
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// workload has the properties that all pods of one ReplicaSet share.
type workload struct {
	namespace, name, hash string
	replicaSet            types.UID
	labels                map[string]string
	containers            []corev1.Container
	imageIDs              []string
}

// newWorkload returns a workload of one to three containers, two on average, each with a random
// image.
func (r *Irregular) newWorkload() workload {
	w := workload{
		namespace: irregularNamespace(r.random.IntN(irregularNamespaces)), name: r.word() + "-" + r.word(), hash: r.suffix(10),
		replicaSet: types.UID(r.uid()),
	}
	w.labels = map[string]string{
		"app.kubernetes.io/name": w.name, "app.kubernetes.io/instance": w.name + "-" + r.word(), "app.kubernetes.io/version": "v1." + r.suffix(3),
		"app.kubernetes.io/managed-by": "Helm", "pod-template-hash": w.hash, "example.com/team": w.namespace,
	}
	for i := range 1 + r.random.IntN(3) {
		image := fmt.Sprintf("registry.example/%s/%s:v%d.%d.%d", r.word(), r.word(), r.random.IntN(5), r.random.IntN(30), r.random.IntN(20))
		w.containers = append(w.containers, r.container([]string{w.name, "proxy", "metrics"}[i], image))
		w.imageIDs = append(w.imageIDs, image+"@sha256:"+r.hex(32))
	}
	return w
}

// container returns a container with random resources and environment.
func (r *Irregular) container(name, image string) corev1.Container {
	cpu, memory := fmt.Sprintf("%dm", 5+r.random.IntN(495)), fmt.Sprintf("%dMi", 16+r.random.IntN(1008))
	c := container(name, image, cpu, memory, limits("", memory), port("http", 8000+r.random.Int32N(1000)), mount("config", "/etc/"+name))
	for range 8 {
		c.Env = append(c.Env, corev1.EnvVar{Name: "SETTING_" + r.word(), Value: r.word() + "-" + r.hex(8)})
	}
	c.Args = []string{"--config=/etc/" + name + "/config.yaml", "--log-format=json"}
	c.LivenessProbe = &corev1.Probe{
		PeriodSeconds: 10, TimeoutSeconds: 2,
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http")}},
	}
	return c
}

// pod returns a running pod of a workload on a node, with its status.
func (r *Irregular) pod(w workload, node *corev1.Node) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: w.name + "-" + w.hash + "-" + r.suffix(5), Labels: maps.Clone(w.labels),
			GenerateName: w.name + "-" + w.hash + "-",
			Annotations:  map[string]string{"checksum/config": r.hex(32), "prometheus.io/scrape": "true", "prometheus.io/port": "9090"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: w.name + "-" + w.hash, UID: w.replicaSet, Controller: new(true), BlockOwnerDeletion: new(true),
			}},
		},
		Spec: corev1.PodSpec{
			NodeName: node.Name, Containers: w.containers, ServiceAccountName: "default",
			Volumes: []corev1.Volume{{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
				LocalObjectReference: corev1.LocalObjectReference{Name: w.name},
			}}}},
			Tolerations: []corev1.Toleration{
				{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
				{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: new(int64(300))},
			},
		},
		Status: r.podStatus(w, node),
	}
}

// podStatus returns the status of a ready pod.
func (r *Irregular) podStatus(w workload, node *corev1.Node) corev1.PodStatus {
	since, ip := r.pastTime(), fmt.Sprintf("100.%d.%d.%d", 64+r.random.IntN(64), r.random.IntN(256), 1+r.random.IntN(254))
	status := corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: node.Status.Addresses[0].Address, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
		StartTime: &since, QOSClass: corev1.PodQOSBurstable,
	}
	for _, kind := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		status.Conditions = append(status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: since})
	}
	for i := range w.containers {
		status.ContainerStatuses = append(status.ContainerStatuses, r.containerStatus(&w.containers[i], w.imageIDs[i]))
	}
	return status
}

// containerStatus returns the status of a running container. One in ten has a previous termination.
func (r *Irregular) containerStatus(c *corev1.Container, imageID string) corev1.ContainerStatus {
	startedAt := r.pastTime()
	status := corev1.ContainerStatus{
		Name: c.Name, Image: c.Image, ImageID: imageID, ContainerID: "containerd://" + r.hex(32), Ready: true, Started: new(true),
		State:              corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: startedAt}},
		AllocatedResources: c.Resources.Requests, Resources: &c.Resources,
	}
	if r.random.IntN(10) == 0 {
		status.RestartCount = 1 + r.random.Int32N(20)
		status.LastTerminationState = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			ExitCode: 137, Reason: "OOMKilled", StartedAt: r.pastTime(), FinishedAt: startedAt, ContainerID: "containerd://" + r.hex(32),
		}}
	}
	return status
}
