package join

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(kube.Main(m)) }

// testKey is a public key in PEM.
const testKey = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"

// testPin is the pin of the played agent's key.
var testPin = strings.Repeat("ab", 32)

// fixture has a hub and a member without nodes. Nothing runs in them unless play is called.
type fixture struct {
	t           *testing.T
	hub, member *kube.Cluster
	out         *strings.Builder
	// stop ends what play has started.
	stop func()
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, hub: kube.Shared(t, kube.Options{Name: "hub"}), member: kube.Shared(t, kube.Options{Name: "member"}), out: &strings.Builder{}}
	f.kubectl(f.hub, "apply", "-k", filepath.Join("..", "..", "config", "crd"))
	f.kubectl(f.hub, "wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev")
	for _, c := range []*kube.Cluster{f.hub, f.member} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}}
		if _, err := c.Client().CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	f.publish(masterKeyMap, publicKeyFile, testKey)
	f.publish(publishedHubMap, addressKey, "wss://hub.example:443")
	t.Cleanup(f.clean)
	return f
}

// publish creates a ConfigMap in the hub.
func (f *fixture) publish(name, key, value string) {
	f.t.Helper()
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{key: value}}
	if _, err := f.hub.Client().CoreV1().ConfigMaps(Namespace).Create(f.t.Context(), object, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		f.t.Fatal(err)
	}
}

func (f *fixture) kubectl(c *kube.Cluster, args ...string) string {
	f.t.Helper()
	out, err := c.Kubectl(args...)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// clean removes what a test has created.
func (f *fixture) clean() {
	for _, args := range [][]string{
		{"delete", "deployment,service,secret,configmap,pod,serviceaccount,role,rolebinding,networkpolicy", "-n", Namespace, "--all", "--force", "--grace-period=0"},
		{"delete", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/part-of=rollcall"},
	} {
		if _, err := f.member.Kubectl(args...); err != nil {
			f.t.Error(err)
		}
	}
	if _, err := f.hub.Kubectl("delete", "clusteragents", "--all"); err != nil {
		f.t.Error(err)
	}
}

// cluster returns a Cluster of a test cluster, with the rights of a configuration.
func (f *fixture) cluster(kubeContext string, config *rest.Config) *Cluster {
	f.t.Helper()
	c, err := NewCluster(kubeContext, config)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// options returns the Options for a cluster, with the rights of administrators.
func (f *fixture) options() Options {
	f.t.Helper()
	return Options{
		Name: "prod-eu", Hub: f.cluster("hub", f.hub.Config()), HubNamespace: Namespace, Member: f.cluster("prod-eu-admin", f.member.Config()),
		Wait: 20 * time.Second, DryRun: DryRunNone, Out: f.out,
	}
}

// join runs Join, and returns its output.
func (f *fixture) join(o Options) (string, error) {
	f.out.Reset()
	err := Join(f.t.Context(), o)
	return f.out.String(), err
}

// mustJoin runs Join, which must print each of the texts.
func (f *fixture) mustJoin(o Options, texts ...string) {
	f.t.Helper()
	out, err := f.join(o)
	if err != nil {
		f.t.Fatalf("%v\n%s", err, out)
	}
	f.contains(out, texts)
}

// fails runs Join, which must fail and print each of the texts.
func (f *fixture) fails(o Options, texts ...string) {
	f.t.Helper()
	out, err := f.join(o)
	if err == nil {
		f.t.Errorf("joined\n%s", out)
	}
	f.contains(out, texts)
}

func (f *fixture) contains(out string, texts []string) {
	f.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			f.t.Errorf("the output has no %q:\n%s", text, out)
		}
	}
}

// play plays kubelet, agent and master until the test ends: the agent's pod becomes ready and publishes its pin, and
// each ClusterAgent gets the conditions of a connected agent.
func (f *fixture) play() {
	f.t.Helper()
	registry := hub{Cluster: f.cluster("hub", f.hub.Config())}
	ctx, cancel := context.WithCancel(context.Background())
	var playing sync.WaitGroup
	playing.Go(func() {
		for ctx.Err() == nil {
			f.playMember(ctx)
			playHub(ctx, &registry)
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
	f.stop = func() { cancel(); playing.Wait() }
	f.t.Cleanup(f.stop)
}

// playMember ignores errors, since it is called again.
func (f *fixture) playMember(ctx context.Context) {
	api := f.member.Client()
	deployment, err := api.AppsV1().Deployments(Namespace).Get(ctx, agentName, metav1.GetOptions{})
	if err != nil {
		return
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "agent-0", Labels: deployment.Spec.Template.Labels},
		Spec:       *deployment.Spec.Template.Spec.DeepCopy(),
	}
	if pod, err = api.CoreV1().Pods(Namespace).Create(ctx, pod, metav1.CreateOptions{}); err == nil {
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		_, _ = api.CoreV1().Pods(Namespace).UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	}
	deployment.Status.ObservedGeneration, deployment.Status.Replicas, deployment.Status.UpdatedReplicas = deployment.Generation, 1, 1
	_, _ = api.AppsV1().Deployments(Namespace).UpdateStatus(ctx, deployment, metav1.UpdateOptions{})
	pin, next := f.playKey(ctx)
	_, _ = api.CoreV1().ConfigMaps(Namespace).Patch(ctx, agentPinMap, types.MergePatchType, []byte(`{"data":{"pin":"`+pin+`","next-pin":"`+next+`"}}`), metav1.PatchOptions{})
}

func playHub(ctx context.Context, registry *hub) {
	agents, err := registry.agents(ctx)
	if err != nil {
		return
	}
	for _, agent := range agents {
		now := time.Now().UTC().Format(time.RFC3339)
		condition := func(kind string) string {
			return `{"type":"` + kind + `","status":"True","reason":"Played","message":"played","lastTransitionTime":"` + now + `","observedGeneration":` + strconv.FormatInt(agent.Generation, 10) + `}`
		}
		patch := `{"status":{"link":{"since":"` + now + `","address":"192.0.2.1","roundTrip":"3ms"},"conditions":[` + condition("Linked") + "," + condition("Ready") + `]}}`
		_, _ = registry.Dynamic.Resource(agentResource).Patch(ctx, agent.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	}
}
