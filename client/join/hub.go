package join

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"rollcall.dev/rollcall/api/v1alpha1"
)

// Names of the master's objects in config/master.
const (
	masterService = "rollcall-master"
	masterPort    = "https"
	// masterSelector selects the masters' pods.
	masterSelector = "app.kubernetes.io/name=" + masterService
	masterCAMap    = "rollcall-master-ca"
	masterKeyMap   = "rollcall-master-public-key"
	// publishedHubMap has the address at which members reach the masters, if the administrator of the hub publishes it.
	publishedHubMap = "rollcall-hub"
	addressKey      = "address"
	serverNameKey   = "server-name"
)

var agentResource = v1alpha1.GroupVersion.WithResource("clusteragents")

// hub is a Cluster that masters run in.
type hub struct {
	*Cluster
	// namespace is that of the masters.
	namespace string
}

// hubFacts are what an agent needs to know of its hub.
type hubFacts struct {
	// signingKeys has the public keys in PEM, ca the CA certificates of the masters in PEM, or "".
	signingKeys, ca string
	// address is the URL of the masters, source says where it was found.
	address, source string
	// serverName is the name in the masters' certificate, or "" for the host of address.
	serverName string
}

// agents returns all ClusterAgents.
func (h *hub) agents(ctx context.Context) ([]v1alpha1.ClusterAgent, error) {
	list, err := h.Dynamic.Resource(agentResource).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, &Fault{
			fmt.Sprintf("the cluster of the context %s has no custom resource ClusterAgent, so it is no hub", h.Context),
			"set --hub-context to the context of the hub, or install the master there first",
		}
	case err != nil:
		return nil, h.explain("list the ClusterAgents of the hub", err)
	}
	var typed v1alpha1.ClusterAgentList
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.UnstructuredContent(), &typed); err != nil {
		return nil, fmt.Errorf("decode the ClusterAgents of the hub: %w", err)
	}
	return typed.Items, nil
}

// agent returns a ClusterAgent, or nil if there is none.
func (h *hub) agent(ctx context.Context, name string) (*v1alpha1.ClusterAgent, error) {
	object, err := h.Dynamic.Resource(agentResource).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, h.explain("read the ClusterAgent "+name, err)
	}
	typed := &v1alpha1.ClusterAgent{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil, fmt.Errorf("decode the ClusterAgent %s: %w", name, err)
	}
	return typed, nil
}

// readyMasters returns the number of masters that are ready, or 0 if that is not known.
func (h *hub) readyMasters(ctx context.Context) (ready int) {
	pods, err := h.Client.CoreV1().Pods(h.namespace).List(ctx, metav1.ListOptions{LabelSelector: masterSelector})
	if err != nil {
		return 0
	}
	for i := range pods.Items {
		if podReady(&pods.Items[i]) {
			ready++
		}
	}
	return ready
}

// keys reads the public keys and the CA that the masters publish.
func (h *hub) keys(ctx context.Context, facts *hubFacts) error {
	published, err := h.configMap(ctx, h.namespace, masterKeyMap)
	if err != nil {
		return err
	}
	facts.signingKeys = published[publicKeyFile]
	if facts.signingKeys == "" {
		return &Fault{
			fmt.Sprintf("the hub publishes no signing key: the ConfigMap %s/%s has no %s", h.namespace, masterKeyMap, publicKeyFile),
			fmt.Sprintf("wait until a master is ready (kubectl -n %s get pods), or set --master-namespace; if the masters run with --signing-key-file, create the ConfigMap from its .pub file", h.namespace),
		}
	}
	ca, err := h.configMap(ctx, h.namespace, masterCAMap)
	if err != nil {
		return err
	}
	facts.ca = ca[caFile]
	return nil
}

// keyFingerprint returns the beginning of the SHA-256 of the first key in PEM.
func keyFingerprint(text string) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "unknown"
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:6])
}

// findAddress sets the address of the masters: a given one, the published one, or that of their Service.
func (h *hub) findAddress(ctx context.Context, given, givenName string, facts *hubFacts) error {
	published, err := h.configMap(ctx, h.namespace, publishedHubMap)
	if err != nil && given == "" {
		return err
	}
	switch address := published[addressKey]; {
	case given != "":
		facts.address, facts.source = given, "--hub-address"
	case address != "":
		facts.address, facts.source = address, "ConfigMap "+publishedHubMap
		givenName = cmp.Or(givenName, published[serverNameKey])
	default:
		if facts.address, facts.source, err = h.serviceAddress(ctx); err != nil {
			return err
		}
	}
	if err := checkHubAddress(facts.address); err != nil {
		return err
	}
	// All certificates of the masters' own CA have the name of the Service.
	if facts.serverName = givenName; givenName == "" && facts.ca != "" {
		facts.serverName = fmt.Sprintf("%s.%s.svc", masterService, h.namespace)
	}
	return nil
}

// serviceAddress returns the address of the masters' Service outside of the hub.
func (h *hub) serviceAddress(ctx context.Context) (address, source string, err error) {
	service, err := h.Client.CoreV1().Services(h.namespace).Get(ctx, masterService, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return "", "", h.explain(fmt.Sprintf("read the Service %s/%s", h.namespace, masterService), err)
	}
	kind := service.Spec.Type
	var host string
	var port int32
	switch kind {
	case corev1.ServiceTypeLoadBalancer:
		host, port = balancerHost(service), servicePort(service, masterPort).Port
	case corev1.ServiceTypeNodePort:
		port = servicePort(service, masterPort).NodePort
		if host, err = h.nodeAddress(ctx); err != nil {
			return "", "", err
		}
	}
	if host == "" || port == 0 {
		return "", "", &Fault{
			fmt.Sprintf("it is not known at which address members reach the masters: the Service %s/%s is of type %s without an outside address", h.namespace, masterService, cmp.Or(kind, "none")),
			fmt.Sprintf("set --hub-address to it, such as wss://rollcall.example:443, or publish it: kubectl -n %s create configmap %s --from-literal=%s=wss://rollcall.example:443", h.namespace, publishedHubMap, addressKey),
		}
	}
	return "wss://" + net.JoinHostPort(host, strconv.Itoa(int(port))), fmt.Sprintf("Service %s of type %s", masterService, kind), nil
}

func servicePort(service *corev1.Service, name string) corev1.ServicePort {
	for _, p := range service.Spec.Ports {
		if p.Name == name {
			return p
		}
	}
	return corev1.ServicePort{}
}

func balancerHost(service *corev1.Service) string {
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if host := cmp.Or(ingress.Hostname, ingress.IP); host != "" {
			return host
		}
	}
	return ""
}

// nodeAddress returns an address of a ready node: an external one if there is one, else an internal one, or "".
func (c *Cluster) nodeAddress(ctx context.Context) (string, error) {
	nodes, err := c.Client.CoreV1().Nodes().List(ctx, metav1.ListOptions{Limit: 100})
	if err != nil {
		return "", c.explain("list the nodes for an address", err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, node := range nodes.Items {
			for _, a := range node.Status.Addresses {
				if a.Type == kind && isReady(&node) {
					return a.Address, nil
				}
			}
		}
	}
	return "", nil
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// checkHubAddress returns an error unless an address has the form wss://host:port.
func checkHubAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "wss" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return &Fault{fmt.Sprintf("the address of the hub %q is invalid", address), "it must be wss://, host and port, such as wss://rollcall.example:443"}
	}
	return nil
}
