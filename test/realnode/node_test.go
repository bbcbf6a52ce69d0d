package realnode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
)

func TestNodeHasAKubeletsStatus(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	object, err := node.Cluster.Client().CoreV1().Nodes().Get(t.Context(), node.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info := object.Status.NodeInfo
	if info.KubeletVersion == "" || !strings.HasPrefix(info.ContainerRuntimeVersion, "containerd://") {
		t.Errorf("got node info %+v, want the versions of kubelet and containerd", info)
	}
	if len(object.Spec.Taints) > 0 {
		t.Errorf("got taints %v, want none", object.Spec.Taints)
	}
	summary, err := node.Cluster.Client().CoreV1().RESTClient().Get().Resource("nodes").Name(node.Name).
		SubResource("proxy", "stats", "summary").DoRaw(t.Context())
	if err != nil || !strings.Contains(string(summary), `"workingSetBytes"`) {
		t.Errorf("kubelet's statistics through the API server: got %v, %.200s", err, summary)
	}
}

func TestPodRunsAndItsLogIsRead(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "log")
	pod := newPod(namespace, "talks", "exit", "0", "0s")
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	createPod(t, node, pod)
	waitPod(t, node, namespace, pod.Name, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodSucceeded })
	log, err := node.Cluster.Client().CoreV1().Pods(namespace).GetLogs(pod.Name, &corev1.PodLogOptions{}).DoRaw(t.Context())
	if err != nil || !strings.Contains(string(log), "exits with code 0") {
		t.Errorf("got log %q, %v; want the program's output", log, err)
	}
}

func TestImportedImageRuns(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "import")
	image := kube.Image{Name: "rollcall.test/other:1", Program: node.Program, Args: []string{"exit", "7", "0s"}, User: "65532"}
	if err := node.Import(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	pod := newPod(namespace, "other")
	pod.Spec.RestartPolicy = corev1.RestartPolicyNever
	pod.Spec.Containers[0].Image = image.Name
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: new(true)}
	createPod(t, node, pod)
	ended := waitPod(t, node, namespace, pod.Name, func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed })
	if got := ended.Status.ContainerStatuses[0]; got.Image != image.Name || got.State.Terminated.ExitCode != 7 {
		t.Errorf("got container %+v, want image %s with exit code 7 from its default arguments", got, image.Name)
	}
}

func TestStaticPodRunsWhileItsFileExists(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	pod := newPod(metav1.NamespaceDefault, "put", "pause")
	if err := node.PutStaticPod(pod); err != nil {
		t.Fatal(err)
	}
	mirror := "put-" + node.Name
	waitPod(t, node, metav1.NamespaceDefault, mirror, podReady)
	if err := node.RemoveStaticPod(pod.Name); err != nil {
		t.Fatal(err)
	}
	kube.Eventually(t, timeout, func() error {
		_, err := node.Cluster.Client().CoreV1().Pods(metav1.NamespaceDefault).Get(t.Context(), mirror, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("the mirror pod still exists"))
	})
}

func TestContainersRunWithoutTheirKubelet(t *testing.T) {
	node := sharedNode(t)
	for name, end := range map[string]func(context.Context) error{
		"stopped": node.StopKubelet,
		"killed":  func(context.Context) error { node.KillKubelet(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			namespace := newNamespace(t, node, name)
			createPod(t, node, newPod(namespace, "stays", "serve", "8080/tcp"))
			before := waitPod(t, node, namespace, "stays", podReady)
			if err := end(t.Context()); err != nil {
				t.Error(err)
			}
			if got, err := getName(t.Context(), node.Dial, before.Status.PodIP+":8080"); got != "stays" {
				t.Errorf("pod while the kubelet is down: got %q, %v; want stays", got, err)
			}
			if err := node.StartKubelet(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := node.WaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
			createPod(t, node, newPod(namespace, "next", "pause"))
			waitPod(t, node, namespace, "next", podReady)
			after := getPod(t, node, namespace, "stays").Status.ContainerStatuses[0]
			if was := before.Status.ContainerStatuses[0]; after.ContainerID != was.ContainerID || after.RestartCount != 0 {
				t.Errorf("got container %s with %d restarts, want %s with none", after.ContainerID, after.RestartCount, was.ContainerID)
			}
		})
	}
}

// dialFunc connects to an address.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// getName sends a GET to the program "serve", and returns the name of the pod that responds.
func getName(ctx context.Context, dial dialFunc, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return "", err
	}
	request.Close = true // serve keeps no connection
	// A Transport would continue to dial in the background after the timeout.
	conn, err := dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := errors.Join(conn.SetDeadline(deadline), request.Write(conn)); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: status %s", address, response.Status)
	}
	return strings.TrimSpace(string(body)), err
}
