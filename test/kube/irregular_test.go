package kube

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestIrregularPodsRunOnTheirNodes(t *testing.T) {
	cluster := Fresh(t, Options{Name: "irregular"})
	irregular, err := NewIrregular(t.Context(), cluster, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range [][2]int{{3, 30}, {4, 20}, {0, 10}} {
		if err := irregular.Add(t.Context(), step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := cluster.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods, err := cluster.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 7 || len(pods.Items) != 60 {
		t.Errorf("got %d nodes and %d pods, want 7 and 60", len(nodes.Items), len(pods.Items))
	}
	images := map[string]bool{}
	for _, pod := range pods.Items {
		status := pod.Status
		if pod.Spec.NodeName == "" || status.Phase != "Running" || status.PodIP == "" || len(status.ContainerStatuses) != len(pod.Spec.Containers) {
			t.Fatalf("pod %s: got node %q, phase %s, IP %q and %d container statuses, want a running pod with all of them", pod.Name, pod.Spec.NodeName, status.Phase, status.PodIP, len(status.ContainerStatuses))
		}
		for _, c := range status.ContainerStatuses {
			images[c.ImageID] = true
		}
	}
	if len(images) < 5 {
		t.Errorf("got %d different images in 60 pods, want at least 5", len(images))
	}
}
