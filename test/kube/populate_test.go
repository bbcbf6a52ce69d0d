package kube

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// allComponents selects all components but a real node.
var allComponents = Options{Name: "whole", Scheduler: true, ControllerManager: true, Kwok: true, MetricsServer: true}

func TestPopulateCreatesEveryKindAndMutateChangesIt(t *testing.T) {
	t.Parallel()
	cluster := Fresh(t, allComponents)
	scenario := Scenario{Pods: 40, Seed: 3}
	if err := Populate(t.Context(), cluster, scenario); err != nil {
		t.Fatal(err)
	}
	pods := podsByApp(t, cluster)
	for _, want := range []struct {
		app string
		is  func(*corev1.Pod) bool
	}{
		{"web", func(p *corev1.Pod) bool { return len(p.Status.InitContainerStatuses) == 2 && len(p.Status.PodIPs) == 2 }},
		{"crash-loop", func(p *corev1.Pod) bool {
			s := p.Status.ContainerStatuses[0]
			return s.State.Waiting.Reason == "CrashLoopBackOff" && s.LastTerminationState.Terminated.Reason == "OOMKilled"
		}},
		{"image-pull", waits("ImagePullBackOff")},
		{"init", waits("PodInitializing")},
		{"creating", func(p *corev1.Pod) bool { return p.Spec.NodeName != "" && len(p.Status.ContainerStatuses) == 0 }},
		{"not-ready", func(p *corev1.Pod) bool { return !p.Status.ContainerStatuses[0].Ready }},
		{"evicted", func(p *corev1.Pod) bool { return p.Status.Reason == "Evicted" }},
		{"failed", func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[1].State.Terminated.ExitCode == 1 }},
		{"unschedulable", unschedulable},
		{"half-gone", func(p *corev1.Pod) bool { return p.DeletionTimestamp != nil || p.Name != "held" }},
		{"overhead", func(p *corev1.Pod) bool { return p.Spec.Overhead.Cpu().String() == "250m" }},
		{"pod-level", func(p *corev1.Pod) bool { return p.Spec.Resources.Requests.Cpu().String() == "700m" }},
		{"resizing", func(p *corev1.Pod) bool {
			return p.Spec.Containers[0].Resources.Requests.Cpu().String() == "400m" &&
				p.Status.ContainerStatuses[0].Resources.Requests.Cpu().String() == "100m"
		}},
		{"debugged", func(p *corev1.Pod) bool { return p.Status.EphemeralContainerStatuses[0].State.Running != nil }},
		{"gpu", func(p *corev1.Pod) bool { return p.Spec.NodeName == NodeName(gpuNode) }},
		{"host-network", func(p *corev1.Pod) bool { return p.Status.PodIP == p.Status.HostIP }},
		{"import", ended(corev1.PodSucceeded)},
		{"broken", ended(corev1.PodFailed)},
		{"nightly-29384", func(p *corev1.Pod) bool { return p.OwnerReferences[0].Kind == "Job" }},
		{"kube-proxy-" + NodeName(0), func(p *corev1.Pod) bool { return p.OwnerReferences[0].Kind == "Node" }},
		{"db", func(p *corev1.Pod) bool { return p.Spec.Volumes[0].PersistentVolumeClaim != nil }},
	} {
		if len(pods[want.app]) == 0 {
			t.Errorf("got no pod of %s", want.app)
		}
		for _, pod := range pods[want.app] {
			if !want.is(&pod) {
				t.Errorf("a pod of %s has an unexpected state: %+v", want.app, pod.Status)
			}
		}
	}
	checkNodes(t, cluster)
	checkLoad(t, cluster, scenario)
	if err := cluster.WaitForMetrics(t.Context(), minNodes); err != nil {
		t.Error(err)
	}
	checkMutate(t, cluster)
}

// checkMutate makes changes and checks that each kind has changed and that the cluster settles.
func checkMutate(t *testing.T, cluster *Cluster) {
	t.Helper()
	before := versionsOfAll(t, cluster)
	if err := Mutate(t.Context(), cluster, 60, 1); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := versionsOfAll(t, cluster)
	for kind := range after {
		if slices.Equal(before[kind], after[kind]) {
			t.Errorf("after 60 changes: no %s has changed", kind)
		}
	}
}

func TestEqualSeedsGiveEqualObjects(t *testing.T) {
	describe := func(seed uint64) string {
		text, err := json.Marshal(Scenario{Pods: 600, Seed: seed}.objects())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	one, again, two := describe(1), describe(1), describe(2)
	if one != again {
		t.Error("got two different scenarios for one seed")
	}
	if one == two {
		t.Error("got the same scenario for two seeds")
	}
}

// waits returns a function that reports whether the first container of a pod waits for the reason.
func waits(reason string) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Status.ContainerStatuses[0].State.Waiting.Reason == reason }
}

// ended returns a function that reports whether a pod is in the phase.
func ended(phase corev1.PodPhase) func(*corev1.Pod) bool {
	return func(p *corev1.Pod) bool { return p.Status.Phase == phase }
}

func checkNodes(t *testing.T, cluster *Cluster) {
	t.Helper()
	list, err := cluster.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != minNodes {
		t.Fatalf("got %d nodes, want %d", len(list.Items), minNodes)
	}
	if node := list.Items[cordonedNode]; !node.Spec.Unschedulable {
		t.Errorf("node %s is not cordoned", node.Name)
	}
	for i := range list.Items {
		want := corev1.ConditionTrue
		if i == notReadyNode {
			want = corev1.ConditionFalse
		}
		if got := readyOf(&list.Items[i]); got != want {
			t.Errorf("node %s: got Ready=%s, want %s", list.Items[i].Name, got, want)
		}
	}
	if gpus := list.Items[gpuNode].Status.Allocatable[GPU]; gpus.Value() != 4 {
		t.Errorf("node %s: got %s GPUs, want 4", list.Items[gpuNode].Name, &gpus)
	}
}

func checkLoad(t *testing.T, cluster *Cluster, scenario Scenario) {
	t.Helper()
	pods := 0
	for _, namespace := range LoadNamespaces(scenario) {
		list, err := cluster.Client().CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pods += len(list.Items)
	}
	if pods != scenario.Pods {
		t.Errorf("got %d regular pods, want %d", pods, scenario.Pods)
	}
}

func podsByApp(t *testing.T, cluster *Cluster) map[string][]corev1.Pod {
	t.Helper()
	list, err := cluster.Client().CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	byApp := map[string][]corev1.Pod{}
	for _, pod := range list.Items {
		byApp[pod.Labels["app"]] = append(byApp[pod.Labels["app"]], pod)
	}
	return byApp
}

// versionsOfAll returns the versions of some kinds of objects that [Mutate] changes, by resource.
func versionsOfAll(t *testing.T, cluster *Cluster) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, kind := range settlingKinds {
		if !slices.Contains([]string{"services", "endpointslices", "deployments"}, kind.Resource) {
			continue
		}
		versions, err := cluster.versions(t.Context(), kind)
		if err != nil {
			t.Fatal(err)
		}
		all[kind.Resource] = versions
	}
	return all
}
