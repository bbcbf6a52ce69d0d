package realnode

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
)

// firstResponse is the time in which the installed system must give its first response, with images present.
const firstResponse = 60 * time.Second

// TestInstalledAsDocumented installs master and agent on two clusters with real nodes: first with the charts, by the
// commands of README.md and docs/HELM.md, then with the manifests, by those of docs/INSTALL.md. It breaks the link
// between the clusters.
func TestInstalledAsDocumented(t *testing.T) {
	t.Parallel()
	in := newInstallation(t)
	in.checkCharts()
	started := time.Now()
	in.install()
	kube.Eventually(t, firstResponse-time.Since(started), func() error { return in.get("/nodes", &struct{}{}) })
	t.Logf("first response %.1f s after the first command", time.Since(started).Seconds())

	t.Run("the response is the kubelet's truth", in.checkResponse)
	t.Run("the link is slow and loses packets", func(t *testing.T) {
		in.link.SetFaults(kube.Faults{Delay: 100 * time.Millisecond, Loss: 0.05})
		kube.Eventually(t, timeout, in.checkNewPod(t, "over-slow-link"))
		in.link.SetFaults(kube.Faults{})
	})
	t.Run("the link is cut and restored", in.checkCut)
	t.Run("no container has been restarted", in.checkRestarts)
	in.checkManifestsAgain()
}

// checkResponse compares the member's node and the agent's pod as served by the master with the member's API.
func (in *installation) checkResponse(t *testing.T) {
	var nodes struct {
		Nodes []struct {
			Name, Ready, KubeletVersion, ContainerRuntime string
		}
	}
	if err := in.get("/nodes", &nodes); err != nil {
		t.Fatal(err)
	}
	object, err := in.member.Cluster.Client().CoreV1().Nodes().Get(t.Context(), in.member.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info := object.Status.NodeInfo
	want := fmt.Sprintf("[{%s True %s %s}]", in.member.Name, info.KubeletVersion, info.ContainerRuntimeVersion)
	if got := fmt.Sprint(nodes.Nodes); got != want {
		t.Errorf("nodes: got %s, want %s", got, want)
	}
	pod, err := deployedPod(in.member, agentName)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.compareStatus(namespace, pod.Name, "Running"); err != nil {
		t.Error(err)
	}
}

// compareStatus returns an error unless the master serves a pod of the member with a status.
func (in *installation) compareStatus(namespace, name, want string) error {
	var pods struct {
		Pods []struct{ Name, Status string }
	}
	if err := in.get("/pods?namespace="+namespace, &pods); err != nil {
		return err
	}
	for _, p := range pods.Pods {
		if p.Name == name && p.Status == want {
			return nil
		}
	}
	return fmt.Errorf("got pods %v, want %s with status %s", pods.Pods, name, want)
}

// checkNewPod creates a pod in the member. The returned function returns an error unless the master serves it as
// running.
func (in *installation) checkNewPod(t *testing.T, name string) func() error {
	t.Helper()
	createPod(t, in.member, newPod(newNamespace(t, in.member, name), name, "pause"))
	return func() error { return in.compareStatus(name, name, "Running") }
}

// checkCut cuts the link, and checks that the master says so, and that all continues when the link is restored.
func (in *installation) checkCut(t *testing.T) {
	in.link.SetFaults(kube.Faults{Cut: true})
	appears := in.checkNewPod(t, "during-cut")
	waitPod(t, in.member, "during-cut", "during-cut", podReady)
	kube.Eventually(t, timeout, func() error {
		out, err := in.hub.Cluster.Kubectl("get", "clusteragent", memberName, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && out == string(corev1.ConditionTrue) {
			err = fmt.Errorf("the ClusterAgent is ready although the link is cut")
		}
		return err
	})
	if err := appears(); err == nil {
		t.Error("the master serves a pod that was created after the link was cut")
	}
	in.link.SetFaults(kube.Faults{})
	started := time.Now()
	kube.Eventually(t, timeout, appears)
	t.Logf("first response %.1f s after the link was restored", time.Since(started).Seconds())
}

// checkRestarts checks that no probe has failed so often that the kubelet restarted a container, and that the link's
// faults did not end a process.
func (in *installation) checkRestarts(t *testing.T) {
	for name, node := range map[string]*kube.Node{masterName: in.hub, agentName: in.member} {
		pod, err := deployedPod(node, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := pod.Status.ContainerStatuses[0]; got.RestartCount != 0 || !got.Ready {
			t.Errorf("%s: got %+v, want ready without restarts", name, got)
		}
	}
}
