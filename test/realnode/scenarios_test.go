package realnode

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/agent/facts"
	"rollcall.dev/rollcall/agent/informer"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
	"rollcall.dev/rollcall/test/kube/recording"
)

// TestScenarios brings pods into the state of every scenario, and compares the facts of the agent's pipeline with the
// status from the kubelet. With -watch it continues to watch the pods.
func TestScenarios(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "scenarios")
	pods := startObserver(t, node, namespace, "pods.jsonl")
	agent := runAgent(t, node.Cluster.Config())
	list := allScenarios(namespace)
	for _, s := range list {
		s.create(t, node)
	}
	for _, s := range list {
		t.Run(s.pod.Name, func(t *testing.T) {
			kube.Eventually(t, timeout, func() error {
				if !pods.reached(s) {
					return fmt.Errorf("state not reached: %s %+v", s.what, pods.podOf(s))
				}
				return agent.compareWith(pods.podOf(s))
			})
		})
	}
	if *watchFor > 0 {
		<-time.After(*watchFor)
		for _, s := range list {
			if *update {
				pods.write(t, s)
			}
		}
	}
}

// create creates the scenario's pod, static pod or Job.
func (s scenario) create(t *testing.T, node *kube.Node) {
	t.Helper()
	switch {
	case s.static:
		if err := node.PutStaticPod(s.pod); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := node.RemoveStaticPod(s.pod.Name); err != nil {
				t.Error(err)
			}
		})
	case s.job:
		if _, err := node.Cluster.Client().BatchV1().Jobs(s.pod.Namespace).Create(t.Context(), jobOf(s.pod), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	default:
		createPod(t, node, s.pod)
	}
}

// TestKubeletIsKilledAndStartedAgain observes a healthy pod and one whose container ends while the kubelet is down.
// With -watch the kubelet is down until its node is not ready.
func TestKubeletIsKilledAndStartedAgain(t *testing.T) {
	node := sharedNode(t)
	namespace := newNamespace(t, node, "kubelet-killed")
	pods := startObserver(t, node, namespace, "pods.jsonl")
	agent := runAgent(t, node.Cluster.Config())
	list := killedScenarios(namespace)
	for _, s := range list {
		s.create(t, node)
		waitPod(t, node, namespace, s.pod.Name, podReady)
	}
	node.KillKubelet()
	if *watchFor > 0 {
		waitNode(t, node, corev1.ConditionUnknown)
	}
	if err := node.StartKubelet(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitNode(t, node, corev1.ConditionTrue)
	for _, s := range list {
		kube.Eventually(t, timeout, func() error {
			pod := pods.podOf(s)
			if !s.reached(pod) {
				return fmt.Errorf("state not reached: %s %+v", s.what, pod.Status)
			}
			return agent.compareWith(pod)
		})
		if *update && *watchFor > 0 {
			pods.write(t, s)
		}
	}
}

// waitNode waits until the node's Ready condition has the wanted status.
func waitNode(t *testing.T, node *kube.Node, want corev1.ConditionStatus) {
	t.Helper()
	kube.Eventually(t, timeout, func() error {
		object, err := node.Cluster.Client().CoreV1().Nodes().Get(context.WithoutCancel(t.Context()), node.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, c := range object.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == want {
				return nil
			}
		}
		return fmt.Errorf("node %s: got %+v, want Ready=%s", node.Name, object.Status.Conditions, want)
	})
}

// TestRecordingsReplay replays recordings of a kubelet, and compares the facts of the agent's pipeline after each
// change.
func TestRecordingsReplay(t *testing.T) {
	want := map[string]bool{}
	for _, s := range append(allScenarios("any"), killedScenarios("any")...) {
		want[s.pod.Name] = true
	}
	files, err := filepath.Glob(filepath.Join(recordings, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if !want[name] {
			t.Errorf("%s: no scenario with this name", file)
		}
		delete(want, name)
		t.Run(name, func(t *testing.T) {
			r, err := recording.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			a := newAgent()
			for after, pod := range r.Pods() {
				a.apply(func(tracker *facts.Tracker) state.Changes { return tracker.SetPod(informer.PodInput(pod)) })
				if err := errors.Join(a.err, a.compareWith(pod)); err != nil {
					t.Errorf("after %v: %v", after, err)
				}
			}
		})
	}
	if len(want) > 0 {
		t.Errorf("scenarios without a recording in %s: %v; the package comment says how to record them", recordings, slices.Sorted(maps.Keys(want)))
	}
}
