package join

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/test/kube"
)

// register creates a ClusterAgent.
func (f *fixture) register(name, uid string) {
	f.t.Helper()
	manifest := "{apiVersion: rollcall.dev/v1alpha1, kind: ClusterAgent, metadata: {name: " + name + "}, spec: {connection: Reverse, clusterUID: " + uid + "}}"
	if _, err := f.hub.KubectlInput(manifest, "apply", "-f", "-"); err != nil {
		f.t.Fatal(err)
	}
}

func TestNameOfAnotherCluster(t *testing.T) {
	f := newFixture(t)
	f.register("prod-eu", "another-uid")
	f.fails(f.options(), "✗ name", "the name prod-eu is taken: its ClusterAgent is for the cluster with the UID another-uid", "→ choose another name")
}

func TestClusterWithAnotherName(t *testing.T) {
	f := newFixture(t)
	uid, err := f.member.UID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.register("old-name", uid)
	f.fails(f.options(), "✗ name", "this cluster is registered already, as old-name", "kubectl rollcall leave old-name")
}

func TestAgentWithAnotherName(t *testing.T) {
	f := newFixture(t)
	f.kubectl(f.member, "-n", Namespace, "create", "configmap", agentNameMap, "--from-literal=cluster-name=prod-us")
	f.fails(f.options(), "✗ name", "the agent in this cluster has the name prod-us, not prod-eu")
}

func TestUnreachableClusters(t *testing.T) {
	f := newFixture(t)
	nowhere := &rest.Config{Host: "https://127.0.0.1:1"}
	o := f.options()
	o.Hub = f.cluster("hub", nowhere)
	f.fails(o, "✗ hub", "https://127.0.0.1:1 cannot be reached", "→ check the server of the context hub")
	o = f.options()
	o.Member = f.cluster("prod-eu-admin", nowhere)
	f.fails(o, "✗ cluster", "→ check the server of the context prod-eu-admin")
	o = f.options()
	anonymous := rest.AnonymousClientConfig(f.member.Config())
	anonymous.BearerToken = "expired"
	o.Member = f.cluster("prod-eu-admin", anonymous)
	f.fails(o, "✗ cluster", "does not accept the credentials of the context prod-eu-admin", "→ renew them")
}

// restricted returns a configuration of a user who may read a namespace of a cluster, and nothing else.
func (f *fixture) restricted(c *kube.Cluster, name string, role ...string) *rest.Config {
	f.t.Helper()
	config, _, err := c.User(name)
	if err != nil {
		f.t.Fatal(err)
	}
	f.kubectl(c, append([]string{"create", "clusterrole", name}, role...)...)
	f.kubectl(c, "create", "clusterrolebinding", name, "--clusterrole="+name, "--user="+name)
	f.t.Cleanup(func() { _, _ = c.Kubectl("delete", "clusterrole,clusterrolebinding", name) })
	kube.Eventually(f.t, 10*time.Second, func() error {
		_, err := f.cluster(name, config).Client.CoreV1().ConfigMaps(Namespace).List(f.t.Context(), metav1.ListOptions{})
		return err
	})
	return config
}

func TestMissingRights(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Member = f.cluster("prod-eu-viewer", f.restricted(f.member, "viewer", "--verb=get,list", "--resource=namespaces,configmaps"))
	f.fails(o, "✗ rights", "the user of the context prod-eu-viewer lacks", "in the cluster: create clusterrolebindings.rbac.authorization.k8s.io", "patch deployments.apps in rollcall-system", "→ use a context of an administrator")
	o = f.options()
	o.Hub = f.cluster("hub-viewer", f.restricted(f.hub, "viewer", "--verb=get,list", "--resource=configmaps,clusteragents.rollcall.dev"))
	f.fails(o, "✗ rights", "lacks 2 rights on the hub: create clusteragents.rollcall.dev, patch clusteragents.rollcall.dev")
}

func TestClusterThatIsNoHub(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.Hub = f.cluster("other", f.member.Config())
	f.fails(o, "✗ hub", "the hub publishes no signing key", "→ wait until a master is ready")
}

func TestUnknownAddressOfTheHub(t *testing.T) {
	f := newFixture(t)
	f.kubectl(f.hub, "-n", Namespace, "delete", "configmap", publishedHubMap)
	f.fails(f.options(), "✗ connection", "it is not known at which address members reach the masters", "--hub-address to it, such as wss://rollcall.example:443")
	for address, want := range map[string]string{"https://hub": "is invalid", "wss://user:word@hub": "is invalid", "wss://hub/path": "is invalid"} {
		o := f.options()
		o.HubAddress = address
		f.fails(o, want, "→ it must be wss://, host and port")
	}
}

// TestAgentOfAnotherTool joins a cluster in which kubectl has installed the agent.
func TestAgentOfAnotherTool(t *testing.T) {
	f := newFixture(t)
	f.play()
	f.kubectl(f.member, "apply", "-k", "../../config/agent")
	f.fails(f.options(), "apply the Deployment rollcall-system/rollcall-agent", "kubectl-client-side-apply", "→ change it with the tool that has installed it, or set --force-conflicts")
	o := f.options()
	o.ForceConflicts = true
	f.mustJoin(o, "prod-eu has joined")
}

func TestMissingPullSecret(t *testing.T) {
	f := newFixture(t)
	o := f.options()
	o.ImagePullSecret = "registry"
	f.fails(o, "✗ objects", "the Secret rollcall-system/registry of --image-pull-secret does not exist", "create secret docker-registry registry")
}

// TestAgentThatIsDialed joins with a node port.
func TestJoinWithANodePort(t *testing.T) {
	f := newFixture(t)
	f.play()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Status: corev1.NodeStatus{
		Addresses:  []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.20.0.7"}},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
	}}
	created, err := f.member.Client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = f.member.Kubectl("delete", "node", "node") })
	created.Status = node.Status
	if _, err := f.member.Client().CoreV1().Nodes().UpdateStatus(t.Context(), created, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	o := f.options()
	o.Expose = corev1.ServiceTypeNodePort
	f.mustJoin(o, "Dial: the hub dials the agent, as --endpoint or --expose is set", "endpoint wss://10.20.0.7:30743")
	o.ProxyURL = "http://proxy.example:3128"
	f.fails(o, "--proxy-url is for an agent that dials the hub")
	o = f.options()
	o.Endpoint = "wss://agent.example:443"
	f.mustJoin(o, "endpoint wss://agent.example:443")
}
