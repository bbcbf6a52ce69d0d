// Package realnode tests the behavior that only a real kubelet shows: how the status of pods changes while their
// containers crash, wait and end, and which ports of a node accept connections. All tests share one cluster. Tests that
// stop the kubelet are not parallel, the others are.
//
// To renew the recordings in agent/facts/testdata/kubelet, with five minutes of each pod:
//
//	go test ./test/realnode -run 'Scenarios|Killed' -watch 5m -update -timeout 20m
package realnode

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
)

// timeout is much longer than any step takes on a machine that is not overloaded.
const timeout = 3 * time.Minute

// notReadyAfter is the time after which the node of a kubelet that was killed is not ready.
const notReadyAfter = 16 * time.Second

var (
	watchFor = flag.Duration("watch", 0, "time to keep watching the scenarios after all have been reached")
	update   = flag.Bool("update", false, "write the recordings to agent/facts/testdata/kubelet; needs -watch")
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(kube.Main(m))
}

// sharedNode returns the node of the cluster that all tests share.
func sharedNode(t *testing.T) *kube.Node {
	t.Helper()
	kube.NeedRealNode(t)
	return kube.Shared(t, kube.Options{Name: "real", RealNode: true, MetricsServer: true, NotReadyAfter: notReadyAfter}).Node()
}

// newNamespace creates a namespace for a test and waits until pods can be created in it.
func newNamespace(t *testing.T, node *kube.Node, name string) string {
	t.Helper()
	client := node.Cluster.Client().CoreV1()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := client.Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	kube.Eventually(t, timeout, func() error {
		_, err := client.ServiceAccounts(name).Get(t.Context(), "default", metav1.GetOptions{})
		return err
	})
	return name
}

// newPod returns a pod with one container that runs ../kube/program with the given arguments.
func newPod(namespace, name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{{Name: "main", Image: kube.ProgramImage, Args: args}},
			TerminationGracePeriodSeconds: new(int64(2)),
		},
	}
}

// createPod creates a pod.
func createPod(t *testing.T, node *kube.Node, pod *corev1.Pod) {
	t.Helper()
	if _, err := node.Cluster.Client().CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// getPod returns a pod.
func getPod(t *testing.T, node *kube.Node, namespace, name string) *corev1.Pod {
	t.Helper()
	pod, err := node.Cluster.Client().CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// waitPod waits until check returns true for a pod, and returns the pod.
func waitPod(t *testing.T, node *kube.Node, namespace, name string, check func(*corev1.Pod) bool) *corev1.Pod {
	t.Helper()
	var pod *corev1.Pod
	kube.Eventually(t, timeout, func() (err error) {
		pod, err = node.Cluster.Client().CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err == nil && !check(pod) {
			err = fmt.Errorf("pod %s: %+v", name, pod.Status)
		}
		return err
	})
	return pod
}

// podReady reports whether a pod is ready.
func podReady(pod *corev1.Pod) bool { return conditionOf(pod, corev1.PodReady) == corev1.ConditionTrue }

// conditionOf returns the status of a pod's condition, or "".
func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}
