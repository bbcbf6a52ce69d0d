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

func atNoon() state.Time { return noon }

// benchPod is a pod as most are: one main container and, for every other, a
// sidecar; resources, a claim for one in ten.
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

// benchTracker knows of 500 nodes and n pods.
func benchTracker(n int) *facts.Tracker {
	t := facts.NewTracker(atNoon)
	for i := range 500 {
		t.SetNode(&facts.NodeInput{Name: fmt.Sprintf("node-%d", i), KubeletPort: 10250})
	}
	t.SetPod(benchPods(n)...)
	return t
}

// benchSlices are the slices of one Service with n pods, 100 in each.
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
		facts.NewTracker(atNoon).SetPod(pods...)
	}
}

func BenchmarkRelistOf5000PodsThatDidNotChange(b *testing.B) {
	t, pods := benchTracker(5000), benchPods(5000)
	b.ReportAllocs()
	for b.Loop() {
		if c := t.SetPod(pods...); len(c.Upserts) > 0 {
			b.Fatalf("%d facts changed", len(c.Upserts))
		}
	}
}

// A pod of 20,000 restarts: its container's fact changes, its node's load does not.
func BenchmarkPodEventAmong20000Pods(b *testing.B) {
	t, pod := benchTracker(20_000), benchPod(4711)
	b.ReportAllocs()
	for b.Loop() {
		pod.Containers[0].Status.Restarts++
		if c := t.SetPod(pod); len(c.Upserts) != 1 {
			b.Fatalf("%d facts changed", len(c.Upserts))
		}
	}
}

func BenchmarkPodComesAndGoesAmong20000Pods(b *testing.B) {
	t, pod := benchTracker(20_000), benchPod(20_001)
	b.ReportAllocs()
	for b.Loop() {
		t.SetPod(pod)
		t.DeletePod(pod.Namespace, pod.Name)
	}
}

// One of 500 endpoints of a Service turns ready or not.
func BenchmarkSliceEventOf500Endpoints(b *testing.B) {
	t, all := benchTracker(20_000), benchSlices(500)
	t.SetService(&benchService)
	t.SetSlice(all...)
	b.ReportAllocs()
	for b.Loop() {
		turned := *all[2]
		turned.Endpoints = slices.Clone(turned.Endpoints)
		turned.Endpoints[42].Ready = !turned.Endpoints[42].Ready
		all[2] = &turned
		if c := t.SetSlice(&turned); len(c.Upserts) != 1 {
			b.Fatalf("%d facts changed", len(c.Upserts))
		}
	}
}

// A pod behind a Service of 500 endpoints comes and goes.
func BenchmarkPodOf500EndpointsComesAndGoes(b *testing.B) {
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
		t := facts.NewTracker(atNoon)
		t.SetSlice(all...)
		if c := t.SetService(&benchService); len(c.Upserts) != 501 {
			b.Fatalf("%d facts", len(c.Upserts))
		}
	}
}
