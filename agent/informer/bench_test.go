package informer

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

// benchPod returns a pod as a Deployment creates it, with the API server's defaults.
func benchPod(i int) *corev1.Pod {
	isController := true
	started := metav1.NewTime(time.Unix(1_767_261_600+int64(i), 0))
	list := func(cpu, memory string) corev1.ResourceList {
		return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprintf("team-%d", i%40), Name: fmt.Sprintf("web-%d-7d4b9c6f5-%05d", i%300, i), CreationTimestamp: started,
			Labels:          map[string]string{"app": "web", templateHashLabel: "7d4b9c6f5"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: fmt.Sprintf("web-%d-7d4b9c6f5", i%300), Controller: &isController}},
		},
		Spec: corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", i%500), Containers: []corev1.Container{{
			Name: "app", Image: fmt.Sprintf("registry.example.com/team/web-%d:1.2.3", i%300),
			Ports:     []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
			Resources: corev1.ResourceRequirements{Requests: list("100m", "64Mi"), Limits: list("200m", "128Mi")},
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, QOSClass: corev1.PodQOSBurstable, PodIPs: []corev1.PodIP{{IP: fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)}},
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: started},
				{Type: corev1.ContainersReady, Status: corev1.ConditionTrue, LastTransitionTime: started},
				{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: started},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "app", Ready: true, Image: "web", ImageID: fmt.Sprintf("registry.example.com/team/web-%d@sha256:0123456789abcdef0123456789abcdef", i%300),
				State:              corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
				AllocatedResources: list("100m", "64Mi"),
				Resources:          &corev1.ResourceRequirements{Requests: list("100m", "64Mi"), Limits: list("200m", "128Mi")},
			}},
		},
	}
	if i%2 == 0 {
		always := corev1.ContainerRestartPolicyAlways
		pod.Spec.InitContainers = []corev1.Container{{Name: "mesh", Image: "registry.example.com/mesh:4.5", RestartPolicy: &always, Resources: corev1.ResourceRequirements{Requests: list("10m", "16Mi")}}}
		pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "mesh", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}}}}
	}
	return pod
}

// largePod returns benchPod with more fields that no fact needs.
func largePod(i int) *corev1.Pod {
	pod := benchPod(i)
	for n := range 3 {
		fields := metav1.NewFieldsV1(strings.Repeat(fmt.Sprintf(`{"f:field-%d":{}}`, n), 80))
		pod.ManagedFields = append(pod.ManagedFields, metav1.ManagedFieldsEntry{Manager: "kubelet", FieldsType: "FieldsV1", FieldsV1: fields})
	}
	c := &pod.Spec.Containers[0]
	for n := range 12 {
		c.Env = append(c.Env, corev1.EnvVar{Name: fmt.Sprint("SETTING_", n), Value: strings.Repeat("v", 20)})
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: fmt.Sprint("volume-", n), MountPath: fmt.Sprint("/mnt/", n)})
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprint("volume-", n), VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}})
	}
	return pod
}

// BenchmarkDecodePod measures the decoding of one watch event from the bytes of the API server to an input of
// the facts.
func BenchmarkDecodePod(b *testing.B) {
	data, err := largePod(1).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	c, object := podConverter{newInterner()}, &podObject{}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := object.Unmarshal(data); err != nil {
			b.Fatal(err)
		}
		c.input(object)
	}
}

// BenchmarkHeapPerPod reports the heap size per pod of 20,000 pods, half of them with a sidecar: first as inputs, as
// in the batches of a streamed list, and then as facts with their Tracker. Each pod is decoded from its own bytes, as
// from a watch.
func BenchmarkHeapPerPod(b *testing.B) {
	const pods = 20_000
	for b.Loop() {
		before := heapBytes()
		c := podConverter{newInterner()}
		inputs := make([]*facts.PodInput, pods)
		for i := range inputs {
			inputs[i] = c.input(convert(benchPod(i), &podObject{}))
		}
		c.interner.strings = nil
		b.ReportMetric(float64(heapBytes()-before)/pods, "input-bytes/pod")

		tracker := facts.NewTracker(func() state.Time { return 1 })
		changes := tracker.SetPod(inputs...)
		entries := make([]state.Entry, 0, len(changes.Upserts))
		for _, o := range changes.Upserts {
			entries = append(entries, state.Entry{Object: o})
		}
		b.ReportMetric(float64(heapBytes()-before)/pods, "facts-bytes/pod")
		runtime.KeepAlive(tracker)
		runtime.KeepAlive(entries)
	}
}

// heapBytes returns the size of the live heap.
func heapBytes() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
