package facts_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/api/state"
)

var isReady = facts.Condition{Type: "Ready", Status: state.True}

func clockAtNoon() state.Time { return noon }

// benchPod returns a typical pod: one main container with resources, a sidecar in every second pod, a claim in every
// tenth.
func benchPod(i int) *facts.PodInput {
	started := state.Time(1_767_261_600 + i)
	pod := &facts.PodInput{
		Namespace: fmt.Sprintf("team-%d", i%40), Name: fmt.Sprintf("web-7d4b9c6f5-%05d", i), Node: fmt.Sprintf("node-%d", i%500),
		Phase: state.PodRunning, Ready: isReady, QOSClass: state.Burstable, CreatedAt: started, PodIPs: []string{fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)},
		Controller: state.Owner{Kind: "ReplicaSet", Name: "web-7d4b9c6f5"}, TemplateHash: "7d4b9c6f5",
		Requested: state.Resources{CPUMillis: 110, MemoryBytes: 80 << 20}, Limits: state.Resources{MemoryBytes: 160 << 20},
		Containers: []facts.ContainerInput{{
			Name: "app", Kind: state.Main, Image: "registry.example.com/web:1.2.3", Requests: state.Resources{CPUMillis: 100, MemoryBytes: 64 << 20},
			Ports:  []facts.ContainerPort{{Protocol: state.TCP, Port: 8080}},
			Status: &facts.ContainerStatus{ImageID: "registry.example.com/web@sha256:0123", State: state.Running, Ready: true, StartedAt: started},
		}},
	}
	if i%2 == 0 {
		pod.Containers = append(pod.Containers, facts.ContainerInput{
			Name: "mesh", Kind: state.Sidecar, Image: "registry.example.com/mesh:4.5", Requests: state.Resources{CPUMillis: 10},
			Status: &facts.ContainerStatus{State: state.Running, Ready: true, StartedAt: started},
		})
	}
	if i%10 == 0 {
		pod.Mounts = []facts.Mount{{Claim: fmt.Sprintf("data-%d", i), Path: "/data"}}
	}
	return pod
}

func benchPods(n int) []*facts.PodInput {
	pods := make([]*facts.PodInput, n)
	for i := range pods {
		pods[i] = benchPod(i)
	}
	return pods
}

// benchTracker returns a Tracker with 500 nodes and n pods.
func benchTracker(n int) *facts.Tracker {
	t := facts.NewTracker(clockAtNoon)
	for i := range 500 {
		t.SetNode(&facts.NodeInput{Name: fmt.Sprintf("node-%d", i), KubeletPort: 10250})
	}
	t.SetPod(benchPods(n)...)
	return t
}

// benchSlices returns the slices of one Service with n pods, 100 pods per slice.
func benchSlices(n int) []*facts.SliceInput {
	var all []*facts.SliceInput
	for i := range n {
		if i%100 == 0 {
			all = append(all, &facts.SliceInput{
				Namespace: "team-0", Name: fmt.Sprintf("web-%d", i), Service: "web",
				Ports: []facts.SlicePort{{Name: "http", Protocol: state.TCP, Port: 8080}},
			})
		}
		s := all[len(all)-1]
		s.Endpoints = append(s.Endpoints, facts.Endpoint{Address: fmt.Sprintf("10.1.%d.%d", i/250, i%250), Pod: benchPod(i * 40).Name, Node: "node-1", Ready: true, Serving: true})
	}
	return all
}

var benchService = facts.ServiceInput{
	Namespace: "team-0", Name: "web", Type: corev1.ServiceTypeNodePort,
	Ports: []facts.ServicePort{{Name: "http", Protocol: state.TCP, Port: 80, NodePort: 30080}},
}

func BenchmarkFirstListOf5000Pods(b *testing.B) {
	pods := benchPods(5000)
	b.ReportAllocs()
	for b.Loop() {
		facts.NewTracker(clockAtNoon).SetPod(pods...)
	}
}

func BenchmarkRelistOf5000UnchangedPods(b *testing.B) {
	t, pods := benchTracker(5000), benchPods(5000)
	b.ReportAllocs()
	for b.Loop() {
		if c := t.SetPod(pods...); len(c.Upserts) > 0 {
			b.Fatalf("got %d changed facts", len(c.Upserts))
		}
	}
}

// BenchmarkPodEventAmong20000Pods measures the restart of a container, which changes one fact.
func BenchmarkPodEventAmong20000Pods(b *testing.B) {
	t, pod := benchTracker(20_000), benchPod(4711)
	b.ReportAllocs()
	for b.Loop() {
		pod.Containers[0].Status.Restarts++
		if c := t.SetPod(pod); len(c.Upserts) != 1 {
			b.Fatalf("got %d changed facts", len(c.Upserts))
		}
	}
}

func BenchmarkAddAndDeletePodAmong20000Pods(b *testing.B) {
	t, pod := benchTracker(20_000), benchPod(20_001)
	b.ReportAllocs()
	for b.Loop() {
		t.SetPod(pod)
		t.DeletePod(pod.Namespace, pod.Name)
	}
}

// BenchmarkSliceEventOf500Endpoints measures a change of the readiness of one endpoint.
func BenchmarkSliceEventOf500Endpoints(b *testing.B) {
	t, all := benchTracker(20_000), benchSlices(500)
	t.SetService(&benchService)
	t.SetSlice(all...)
	b.ReportAllocs()
	for b.Loop() {
		changed := *all[2]
		changed.Endpoints = slices.Clone(changed.Endpoints)
		changed.Endpoints[42].Ready = !changed.Endpoints[42].Ready
		all[2] = &changed
		if c := t.SetSlice(&changed); len(c.Upserts) != 1 {
			b.Fatalf("got %d changed facts", len(c.Upserts))
		}
	}
}

// BenchmarkDeleteAndAddPodOf500Endpoints measures the deletion and addition of a pod of a Service with 500 endpoints.
func BenchmarkDeleteAndAddPodOf500Endpoints(b *testing.B) {
	t, pod := benchTracker(20_000), benchPod(40)
	t.SetService(&benchService)
	t.SetSlice(benchSlices(500)...)
	b.ReportAllocs()
	for b.Loop() {
		t.DeletePod(pod.Namespace, pod.Name)
		t.SetPod(pod)
	}
}

func BenchmarkPortMapOf500Endpoints(b *testing.B) {
	all := benchSlices(500)
	b.ReportAllocs()
	for b.Loop() {
		t := facts.NewTracker(clockAtNoon)
		t.SetSlice(all...)
		if c := t.SetService(&benchService); len(c.Upserts) != 501 {
			b.Fatalf("got %d facts, want 501", len(c.Upserts))
		}
	}
}
