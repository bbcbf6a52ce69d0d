package realnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

const (
	// Addresses that do not belong to the node: of an external IP and of a load balancer.
	externalIP, loadBalancerIP = "203.0.113.7", "203.0.113.8"
	// claimedTwice is a node port of a Service and a host port of a pod.
	claimedTwice = 30999
	// elsewhere is the name of a node that does not exist.
	elsewhere = "elsewhere"
)

// TestPortMapNamesTheRespondingPods dials every row of the port map of a namespace over both IP families, and compares
// the pods that respond with the row's targets: NodePorts by kube-proxy, hostPorts by the CNI plugin, and pods in the
// node's network. It also tries all other ports of the node: a port without a row must not respond.
func TestPortMapNamesTheRespondingPods(t *testing.T) {
	t.Parallel()
	node := sharedNode(t)
	namespace := newNamespace(t, node, "ports")
	agent := runAgent(t, node.Cluster.Config())
	if err := node.AddAddresses(externalIP+"/32", loadBalancerIP+"/32"); err != nil {
		t.Fatal(err)
	}
	before := openPorts(t, node) // of Kubernetes' own processes, which the API does not know
	names := createPortPods(t, node, namespace)
	createPortServices(t, node, namespace)
	for _, name := range names {
		if name != "web-unready" {
			waitPod(t, node, namespace, name, podReady)
		}
	}
	waitPod(t, node, namespace, "web-unready", runsUnready)

	const rows = 3 + 1 + 7*2 + 2 + 2 + 1 // hostPorts, a port in the node's network, node ports, external IP, load balancer, health check
	kube.Eventually(t, timeout, func() error {
		now := agent.current()
		var found []*state.Port
		for row := range now.Ports() {
			if row.Namespace == namespace {
				found = append(found, row)
			}
		}
		if len(found) != rows {
			return fmt.Errorf("port map: got %d rows of namespace %s, want %d", len(found), namespace, rows)
		}
		conflicts := state.Conflicts(now)
		for _, row := range found {
			if row.Port == claimedTwice && row.Protocol == state.TCP {
				if len(conflicts[row]) != 1 {
					return fmt.Errorf("%s: got conflicts %v, want one", rowText(row), conflicts[row])
				}
				continue // kube-proxy or the CNI plugin, whichever comes first
			}
			if err := checkRow(t.Context(), node, now, row); err != nil {
				return err
			}
		}
		return nil
	})
	t.Run("a port that two claim leads to one of them", func(t *testing.T) {
		got, err := respondents(t.Context(), node, state.TCP, node.Address, claimedTwice, 1)
		t.Logf("host port and node port %d: %v responds", claimedTwice, got)
		if len(got) == 0 || !slices.Contains([]string{"claimant", "web-1", "web-2"}, got[0]) {
			t.Errorf("got a response of %v, %v", got, err)
		}
	})
	t.Run("ports without a row do not respond", func(t *testing.T) { checkFreePorts(t, node, agent, before) })
	t.Run("ports of removed objects do not respond", func(t *testing.T) {
		checkRemoved(t, node, agent, namespace, names)
	})
}

// createPortPods creates the pods, and returns their names.
func createPortPods(t *testing.T, node *kube.Node, namespace string) (names []string) {
	t.Helper()
	web := func(name string) *corev1.Pod {
		pod := newPod(namespace, name, "serve", "8080/tcp", "5353/udp")
		pod.Labels = map[string]string{"app": "web"}
		return pod
	}
	hostPort := newPod(namespace, "host-port", "serve", "8081/tcp", "5354/udp")
	hostPort.Spec.Containers[0].Ports = []corev1.ContainerPort{
		{ContainerPort: 8081, HostPort: 18081},
		{ContainerPort: 5354, HostPort: 15354, Protocol: corev1.ProtocolUDP},
	}
	hostNetwork := inHostNetwork(newPod(namespace, "host-network", "serve", "18082/tcp"))
	hostNetwork.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "NAME", Value: hostNetwork.Name}}
	hostNetwork.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 18082}}
	claimant := newPod(namespace, "claimant", "serve", "8080/tcp")
	claimant.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080, HostPort: claimedTwice}}
	for _, pod := range []*corev1.Pod{web("web-1"), web("web-2"), unready(web("web-unready")), hostPort, hostNetwork, claimant} {
		createPod(t, node, pod)
		names = append(names, pod.Name)
	}
	// The scheduler would not place a second pod on the same host port. The kubelet rejects it.
	rejected := newPod(namespace, "rejected", "serve", "8081/tcp")
	rejected.Spec.NodeName = node.Name
	rejected.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8081, HostPort: 18081}}
	waitPod(t, node, namespace, "host-port", podReady)
	createPod(t, node, rejected)
	waitPod(t, node, namespace, "rejected", phase(corev1.PodFailed))
	return names
}

// createPortServices creates the Services.
func createPortServices(t *testing.T, node *kube.Node, namespace string) {
	t.Helper()
	client := node.Cluster.Client()
	web := map[string]string{"app": "web"}
	const everywhere, local = corev1.ServiceExternalTrafficPolicyCluster, corev1.ServiceExternalTrafficPolicyLocal
	external := nodePortService(namespace, "external", web, everywhere)
	external.Spec.ExternalIPs = []string{externalIP}
	balanced := nodePortService(namespace, "balanced", web, local)
	balanced.Spec.Type = corev1.ServiceTypeLoadBalancer
	claimed := nodePortService(namespace, "claimed", web, everywhere)
	claimed.Spec.Ports[0].NodePort = claimedTwice
	// The endpoints of these Services are said to be on another node.
	remote := nodePortService(namespace, "remote", nil, everywhere)
	remoteLocal := nodePortService(namespace, "remote-local", nil, local)
	for _, service := range []*corev1.Service{
		nodePortService(namespace, "web", web, everywhere), nodePortService(namespace, "empty", map[string]string{"app": "none"}, everywhere),
		external, balanced, claimed, remote, remoteLocal,
	} {
		created, err := client.CoreV1().Services(namespace).Create(t.Context(), service, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if created.Spec.Type == corev1.ServiceTypeLoadBalancer {
			created.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: loadBalancerIP}}
			if _, err := client.CoreV1().Services(namespace).UpdateStatus(t.Context(), created, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	pod := waitPod(t, node, namespace, "web-1", podReady)
	for _, service := range []string{remote.Name, remoteLocal.Name} {
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: namespace, Name: service, Labels: map[string]string{discoveryv1.LabelServiceName: service}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints: []discoveryv1.Endpoint{{
				Addresses: []string{pod.Status.PodIP}, NodeName: new(elsewhere),
				TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: namespace, Name: pod.Name, UID: pod.UID},
			}},
			Ports: []discoveryv1.EndpointPort{
				{Name: new("http"), Port: new(int32(8080))},
				{Name: new("dns"), Port: new(int32(5353)), Protocol: new(corev1.ProtocolUDP)},
			},
		}
		if _, err := client.DiscoveryV1().EndpointSlices(namespace).Create(t.Context(), slice, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// nodePortService returns a Service with a TCP and a UDP port, of both IP families unless it has no selector.
func nodePortService(namespace, name string, selector map[string]string, policy corev1.ServiceExternalTrafficPolicy) *corev1.Service {
	families := corev1.IPFamilyPolicyPreferDualStack
	if selector == nil {
		families = corev1.IPFamilyPolicySingleStack
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeNodePort, Selector: selector, ExternalTrafficPolicy: policy, IPFamilyPolicy: &families,
			Ports: []corev1.ServicePort{
				{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)},
				{Name: "dns", Port: 53, TargetPort: intstr.FromInt32(5353), Protocol: corev1.ProtocolUDP},
			},
		},
	}
}

// rowText returns a row as text.
func rowText(row *state.Port) string {
	return fmt.Sprintf("%s %s:%d/%s of %s%s", row.Kind, row.Address, row.Port, row.Protocol, row.Service, row.Pod)
}

// checkRow dials a row of the port map at all its addresses. It returns an error unless exactly the row's targets
// respond.
func checkRow(ctx context.Context, node *kube.Node, now *state.State, row *state.Port) error {
	addresses := []string{row.Address}
	if row.Address == "" {
		addresses = []string{node.Address}
		if node.AddressV6 != "" {
			addresses = append(addresses, node.AddressV6)
		}
	}
	for _, address := range addresses {
		want := wantedRespondents(node, now, row, address)
		attempts := 1
		if len(want) > 0 {
			attempts = 24 // with two targets, one is missed once in eight million times
		}
		got, err := respondents(ctx, node, row.Protocol, address, row.Port, attempts)
		if row.Kind == state.HealthCheckNodePort && err == nil {
			continue // kube-proxy responds
		}
		if !slices.Equal(got, want) {
			return errors.Join(fmt.Errorf("%s at %s: got responses from %v, want %v", rowText(row), address, got, want), err)
		}
	}
	return nil
}

// wantedRespondents returns the pods that should respond at an address, by the row's targets: the ready ones of a
// Service, those on this node if the traffic policy is Local, and with an address of the same IP family.
func wantedRespondents(node *kube.Node, now *state.State, row *state.Port, address string) (want []string) {
	for target := range now.TargetsOf(row) {
		onNode := row.ExternalTrafficPolicy != state.TrafficPolicyLocal || target.Node == node.Name
		sameFamily := slices.ContainsFunc(target.Addresses, func(a string) bool { return strings.Contains(a, ":") == strings.Contains(address, ":") })
		if (target.Ready || row.Pod != "") && onNode && sameFamily {
			want = append(want, target.Pod)
		}
	}
	slices.Sort(want)
	return want
}

// respondents dials a port repeatedly. It returns the names of the pods that respond, and the last error.
func respondents(ctx context.Context, node *kube.Node, protocol state.Protocol, address string, port uint16, attempts int) (names []string, last error) {
	for range attempts {
		name, err := respondent(ctx, node, protocol, net.JoinHostPort(address, strconv.Itoa(int(port))))
		if last = err; err == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, last
}

// respondent returns the name that the server at an address responds with. It connects from outside of the cluster,
// since kube-proxy ignores the policy Local for connections from the node itself. Addresses that do not belong to the
// node are reachable only from inside.
func respondent(ctx context.Context, node *kube.Node, protocol state.Protocol, address string) (string, error) {
	dial := dialFunc((&net.Dialer{}).DialContext)
	if host, _, _ := net.SplitHostPort(address); host == externalIP || host == loadBalancerIP {
		dial = node.Dial
	}
	if protocol != state.UDP {
		return getName(ctx, dial, address)
	}
	conn, err := dial(ctx, "udp", address)
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

// openPorts returns the TCP ports that accept connections at any of the node's addresses.
func openPorts(t *testing.T, node *kube.Node) map[uint16]bool {
	t.Helper()
	open := map[uint16]bool{}
	for _, address := range []string{node.Address, node.AddressV6} {
		if address == "" {
			continue
		}
		found, err := node.OpenPorts(address)
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range found {
			open[port] = true
		}
	}
	return open
}

// checkFreePorts tries all TCP ports, and the UDP ports with the numbers of TCP ports. Only those with a row may
// respond, and those that responded before.
func checkFreePorts(t *testing.T, node *kube.Node, agent *agent, before map[uint16]bool) {
	open := openPorts(t, node)
	taken := map[state.Protocol]map[uint16]bool{state.TCP: {}, state.UDP: {}}
	for row := range agent.current().Ports() {
		if row.Address == "" {
			taken[row.Protocol][row.Port] = true
		}
	}
	for port := range open {
		if !taken[state.TCP][port] && !before[port] {
			t.Errorf("port %d/TCP responds, and the port map has no row for it", port)
		}
	}
	for port := range taken[state.TCP] {
		if name, err := respondent(t.Context(), node, state.UDP, fmt.Sprintf("%s:%d", node.Address, port)); err == nil && !taken[state.UDP][port] {
			t.Errorf("port %d/UDP responds as %s, and the port map has no row for it", port, name)
		}
	}
	t.Logf("%d ports respond, %d of them did before; the port map has %d TCP ports", len(open), len(before), len(taken[state.TCP]))
}

// checkRemoved removes all pods and Services, and waits until the rows are gone. Then no port may respond.
func checkRemoved(t *testing.T, node *kube.Node, agent *agent, namespace string, pods []string) {
	client := node.Cluster.Client().CoreV1()
	var rows []*state.Port
	for row := range agent.current().Ports() {
		if row.Namespace == namespace && row.Address == "" && row.Protocol == state.TCP {
			rows = append(rows, row)
		}
	}
	services, err := client.Services(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range services.Items {
		if err := client.Services(namespace).Delete(t.Context(), services.Items[i].Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range pods {
		if err := client.Pods(namespace).Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	kube.Eventually(t, timeout, func() error {
		if row := first(agent.current().Ports(), func(p *state.Port) bool { return p.Namespace == namespace }); row != nil {
			return fmt.Errorf("%s still has a row", rowText(row))
		}
		for _, row := range rows {
			conn, err := node.Dial(t.Context(), "tcp", fmt.Sprintf("%s:%d", node.Address, row.Port))
			if err == nil {
				conn.Close()
				return fmt.Errorf("%s has no row, and responds", rowText(row))
			}
		}
		return nil
	})
}
