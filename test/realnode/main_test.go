// Package realnode tests with a real kubelet what only a real kubelet shows: how the status of pods changes while their
// containers crash, wait and end, and which ports of a node answer. Its cluster is shared by all tests; those that stop
// the kubelet are not parallel, and the others are.
//
// To record anew what the kubelet says of pods over five minutes, in agent/facts/testdata/kubelet:
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

// timeout is far more than anything here takes on a machine that is not overloaded.
const timeout = 3 * time.Minute

var (
	watchFor = flag.Duration("watch", 0, "how long the scenarios are watched after all of them were reached")
	update   = flag.Bool("update", false, "write the recordings in agent/facts/testdata/kubelet anew")
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(kube.Main(m))
}

// sharedNode returns the node of the cluster that all tests share.
func sharedNode(t *testing.T) *kube.Node {
	t.Helper()
	kube.NeedRealNode(t)
	return kube.Shared(t, kube.Options{Name: "real", RealNode: true, MetricsServer: true}).Node()
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

// newPod returns a pod of one container that runs the program with these arguments.
func newPod(namespace, name string, args ...string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.PodSpec{
			Containers:                    []corev1.Container{{Name: "main", Image: kube.ProgramImage, Args: args}},
			TerminationGracePeriodSeconds: new(int64(2)),
		},
	}
}

func createPod(t *testing.T, node *kube.Node, pod *corev1.Pod) {
	t.Helper()
	if _, err := node.Cluster.Client().CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func getPod(t *testing.T, node *kube.Node, namespace, name string) *corev1.Pod {
	t.Helper()
	pod, err := node.Cluster.Client().CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// awaitPod waits until a pod is as a condition wants it, and returns it.
func awaitPod(t *testing.T, node *kube.Node, namespace, name string, check func(*corev1.Pod) bool) *corev1.Pod {
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

func podReady(pod *corev1.Pod) bool { return conditionOf(pod, corev1.PodReady) == corev1.ConditionTrue }

func conditionOf(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}
