package realnode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// TestPortMapNamesTheRespondingPods dials every row of the port map of a namespace and compares the pods that respond
// with the row's targets: NodePorts by kube-proxy, hostPorts by the CNI plugin, and pods in the node's network.
func TestPortMapNamesTheRespondingPods(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "ports")
	client := node.Cluster.Client().CoreV1()
	agent := runAgent(t, node.Cluster.Config())

	for _, name := range []string{"web-1", "web-2"} {
		pod := newPod(namespace, name, "serve", "8080/tcp", "5353/udp")
		pod.Labels = map[string]string{"app": "web"}
		createPod(t, node, pod)
	}
	hostPort := newPod(namespace, "host-port", "serve", "8081/tcp", "5354/udp")
	hostPort.Spec.Containers[0].Ports = []corev1.ContainerPort{
		{ContainerPort: 8081, HostPort: 18081},
		{ContainerPort: 5354, HostPort: 15354, Protocol: corev1.ProtocolUDP},
	}
	createPod(t, node, hostPort)
	hostNetwork := newPod(namespace, "host-network", "serve", "18082/tcp")
	hostNetwork.Spec.HostNetwork = true
	hostNetwork.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "NAME", Value: hostNetwork.Name}}
	hostNetwork.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 18082}}
	createPod(t, node, hostNetwork)
	for _, service := range []*corev1.Service{
		nodePortService(namespace, "web", map[string]string{"app": "web"}, corev1.ServiceExternalTrafficPolicyCluster),
		nodePortService(namespace, "web-local", map[string]string{"app": "web"}, corev1.ServiceExternalTrafficPolicyLocal),
		nodePortService(namespace, "empty", map[string]string{"app": "none"}, corev1.ServiceExternalTrafficPolicyCluster),
	} {
		if _, err := client.Services(namespace).Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"web-1", "web-2", "host-port", "host-network"} {
		waitPod(t, node, namespace, name, podReady)
	}

	const rows = 2 + 1 + 3*2 // hostPorts, a port in the node's network, and two ports of each Service
	kube.Eventually(t, timeout, func() error {
		now := agent.current()
		found := 0
		for row := range now.Ports() {
			if row.Namespace != namespace {
				continue
			}
			found++
			if err := checkTargets(t.Context(), node, now, row); err != nil {
				return err
			}
		}
		if found != rows {
			return fmt.Errorf("port map: got %d rows of namespace %s, want %d", found, namespace, rows)
		}
		return nil
	})
}

// nodePortService returns a Service with a TCP and a UDP port.
func nodePortService(namespace, name string, selector map[string]string, policy corev1.ServiceExternalTrafficPolicy) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: selector, ExternalTrafficPolicy: policy,
			Ports: []corev1.ServicePort{
				{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)},
				{Name: "dns", Port: 53, TargetPort: intstr.FromInt32(5353), Protocol: corev1.ProtocolUDP},
			},
		},
	}
}

// checkTargets dials a row of the port map repeatedly. It returns an error unless exactly the row's targets respond.
func checkTargets(ctx context.Context, node *kube.Node, now *state.State, row *state.Port) error {
	var want []string
	for target := range now.TargetsOf(row) {
		want = append(want, target.Pod)
	}
	slices.Sort(want)
	const attempts = 24 // with two targets, one is missed once in eight million times
	var got []string
	var last error
	for range attempts {
		address := fmt.Sprintf("%s:%d", node.Address, row.Port)
		pod, err := respondent(ctx, node, row.Protocol, address)
		if last = err; err == nil && !slices.Contains(got, pod) {
			got = append(got, pod)
		}
		if err != nil && len(want) == 0 {
			break // no response is expected, and further attempts would only wait again
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return errors.Join(fmt.Errorf("%s %d/%s of %s%s: got responses from %v, want %v", row.Kind, row.Port, row.Protocol, row.Service, row.Pod, got, want), last)
	}
	return nil
}

// respondent returns the name that the server at an address responds with.
func respondent(ctx context.Context, node *kube.Node, protocol state.Protocol, address string) (string, error) {
	if protocol.String() != string(corev1.ProtocolUDP) {
		return getFrom(ctx, node, address)
	}
	conn, err := node.Dial(ctx, "udp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte("name?")); err != nil {
		return "", err
	}
	var name [256]byte
	n, err := conn.Read(name[:])
	return strings.TrimSpace(string(name[:n])), err
}
