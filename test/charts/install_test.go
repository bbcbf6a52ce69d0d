package charts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"

	"rollcall.dev/rollcall/test/kube"
)

// deletionTimeout is much longer than a deletion takes on a machine that is not overloaded.
const deletionTimeout = time.Minute

// cluster is a cluster without controllers and nodes, in which the charts are installed.
type cluster struct {
	t *testing.T
	*kube.Cluster
}

// in returns the cluster for a subtest.
func (c *cluster) in(t *testing.T) *cluster { return &cluster{t, c.Cluster} }

// helm runs helm as the administrator.
func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	return mustHelm(c.t, c.Kubeconfig, append([]string{"--namespace", namespace}, args...)...)
}

// install runs the command in docs/HELM.md that installs a chart, and returns the notes.
func (c *cluster) install(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs/HELM.md"))
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\nhelm upgrade --install "+name+" ")
	flags, _, _ := strings.Cut(rest, "\n")
	if !found {
		c.t.Fatalf("docs/HELM.md does not install %s", name)
	}
	flags = strings.NewReplacer("config/charts/"+name, chart(name), "signing.key.pub", "testdata/signing.key.pub").Replace(flags)
	return mustHelm(c.t, c.Kubeconfig, append([]string{"upgrade", "--install", name}, strings.Fields(flags)...)...)
}

// commandAfter returns the command in docs/HELM.md after some words.
func commandAfter(t *testing.T, words string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs/HELM.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), words)
	_, rest, found := strings.Cut(rest, "```sh\n")
	if !found {
		t.Fatalf("docs/HELM.md has no command after %q", words)
	}
	command, _, _ := strings.Cut(rest, "\n")
	return command
}

// kubectl runs kubectl as the administrator.
func (c *cluster) kubectl(args ...string) string {
	c.t.Helper()
	out, err := c.Kubectl(args...)
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// objects returns the names of all objects with a mark of Helm or Rollcall, and of all in the namespace, by kind and name.
func (c *cluster) objects() (names []string) {
	c.t.Helper()
	api, err := discovery.NewDiscoveryClientForConfig(c.Config())
	if err != nil {
		c.t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		c.t.Fatal(err)
	}
	lists, err := api.ServerPreferredResources()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, list := range lists {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, resource := range list.APIResources {
			if !slices.Contains(resource.Verbs, "list") || slices.Contains([]string{"Event", "ComponentStatus", "APIService"}, resource.Kind) {
				continue
			}
			all, err := client.Resource(version.WithResource(resource.Name)).List(c.t.Context(), metav1.ListOptions{})
			if err != nil {
				c.t.Fatal(err)
			}
			for _, o := range all.Items {
				if isOfRollcall(&o) {
					names = append(names, o.GetKind()+" "+o.GetName())
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// isOfRollcall reports whether an object belongs to an installation, or was left by one.
func isOfRollcall(o *unstructured.Unstructured) bool {
	return strings.HasPrefix(o.GetAPIVersion(), "rollcall.dev/") || o.GetLabels()["app.kubernetes.io/part-of"] == "rollcall" || strings.Contains(o.GetName(), "rollcall") ||
		o.GetNamespace() == namespace && o.GetName() != "kube-root-ca.crt" && o.GetName() != "default"
}

// fill stores data in a Secret, as the process that makes the key does.
func (c *cluster) fill(secret, entry string) {
	c.t.Helper()
	core := c.Client().CoreV1().Secrets(namespace)
	object, err := core.Get(c.t.Context(), secret, metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	if len(object.Data) > 0 {
		c.t.Errorf("Secret %s: got data, want it installed empty", secret)
	}
	object.Data = map[string][]byte{entry: []byte("key")}
	if _, err := core.Update(c.t.Context(), object, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// checkKey checks that a Secret still has what fill stored.
func (c *cluster) checkKey(when, secret, entry string) {
	c.t.Helper()
	object, err := c.Client().CoreV1().Secrets(namespace).Get(context.WithoutCancel(c.t.Context()), secret, metav1.GetOptions{})
	if err != nil || string(object.Data[entry]) != "key" {
		c.t.Errorf("%s: Secret %s: got %v, %v; want the key of before", when, secret, object.Data, err)
	}
}

// keys are the Secrets with keys, and the entry that fill stores.
var keys = map[string]string{"rollcall-master-signing-key": "signing.key", "rollcall-master-ca": "ca.key", "rollcall-agent-tls": "tls.key"}

// copyChart returns a copy of a chart in which text is replaced in a file.
func copyChart(t *testing.T, name, file, old, replacement string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS(chart(name))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, file)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s has no %q", file, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(content), old, replacement, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestChartsAreInstalledUpgradedAndRemoved goes through the life of both releases on a real API server.
func TestChartsAreInstalledUpgradedAndRemoved(t *testing.T) {
	c := &cluster{t, kube.Fresh(t, kube.Options{Name: "charts"})}
	before := c.objects()
	notes := c.install("rollcall") + c.install("rollcall-agent")
	c.kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev")
	for secret, entry := range keys {
		c.fill(secret, entry)
	}
	registration := `{"apiVersion":"rollcall.dev/v1alpha1","kind":"ClusterAgent","metadata":{"name":"prod-eu"},"spec":{"endpoint":"wss://10.20.0.7:30743"}}`
	if out, err := c.KubectlInput(registration, "apply", "-f", "-"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for what, command := range map[string]string{
		"of the public key":  "kubectl -n rollcall-system get configmap rollcall-master-public-key -o jsonpath=",
		"of the pin":         "kubectl -n rollcall-system get configmap rollcall-agent-pin -o jsonpath=",
		"of the agent":       "helm upgrade --install rollcall-agent",
		"of the definitions": "kubectl delete crd clusteragents.rollcall.dev clusterstatuses.rollcall.dev",
	} {
		if !strings.Contains(notes, command) {
			t.Errorf("got notes\n%s\nwant the command %s", notes, what)
		}
	}

	t.Run("the API server accepts every built-in kind with every switch", func(t *testing.T) {
		// The API server has no definitions of the kinds that are switched off.
		for name, off := range map[string]string{
			"rollcall":       "httpRoute.enabled=false,prometheus.serviceMonitor.enabled=false,prometheus.rules.enabled=false",
			"rollcall-agent": "podMonitor.enabled=false",
		} {
			c.in(t).helm("upgrade", name, chart(name), "-f", "testdata/"+name+".all.values.yaml", "--dry-run=server", "--set", off)
		}
	})
	t.Run("with several replicas, the notes say how to wait for the leader", func(t *testing.T) {
		notes := c.in(t).helm("upgrade", "rollcall", chart("rollcall"), "--reuse-values", "--dry-run=server", "--set", "replicas=2")
		want := commandAfter(t, "With several replicas")
		if !strings.Contains(notes, "  "+want) || strings.Contains(notes, "  kubectl -n rollcall-system rollout status") {
			t.Errorf("got notes\n%s\nwant the command of docs/HELM.md: %s", notes, want)
		}
	})
	t.Run("an upgrade changes values and definitions, and keeps keys and ClusterAgents", func(t *testing.T) { c.in(t).checkUpgrade() })
	t.Run("a removal leaves the definitions, the ClusterAgents and the keys", func(t *testing.T) { c.in(t).checkRemoval(before) })
	t.Run("an installation after a removal uses the keys again", func(t *testing.T) {
		c := c.in(t)
		c.install("rollcall")
		c.install("rollcall-agent")
		for secret, entry := range keys {
			c.checkKey("installed again", secret, entry)
		}
		c.helm("uninstall", "rollcall", "rollcall-agent")
	})
	t.Run("the commands of the notes remove the rest", func(t *testing.T) { c.in(t).checkCommands(notes, before) })
}

// checkUpgrade upgrades to a chart whose definition has another description, with other values.
func (c *cluster) checkUpgrade() {
	c.t.Helper()
	next := copyChart(c.t, "rollcall", "files/crds/rollcall.dev_clusteragents.yaml", "    schema:\n      openAPIV3Schema:\n        description:", "    schema:\n      openAPIV3Schema:\n        title: next\n        description:")
	c.helm("upgrade", "rollcall", next, "--set", "replicas=0,resources.limits.memory=1Gi")
	c.helm("upgrade", "rollcall-agent", chart("rollcall-agent"), "--reuse-values", "--set", "service.type=ClusterIP,logLevel=debug")
	if got := c.kubectl("get", "crd", "clusteragents.rollcall.dev", "-o", "jsonpath={.spec.versions[0].schema.openAPIV3Schema.title}"); got != "next" {
		c.t.Errorf("got title %q of the definition, want that of the next chart", got)
	}
	if got := c.kubectl("-n", namespace, "get", "deployment", "rollcall-master", "-o", "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].resources.limits.memory}"); got != "0 1Gi" {
		c.t.Errorf("got replicas and limit %q, want those of the upgrade", got)
	}
	if got := c.kubectl("-n", namespace, "get", "service", "rollcall-agent", "-o", "jsonpath={.spec.type}"); got != string(corev1.ServiceTypeClusterIP) {
		c.t.Errorf("got type %q of the agent's Service, want ClusterIP", got)
	}
	c.kubectl("get", "clusteragent", "prod-eu")
	for secret, entry := range keys {
		c.checkKey("upgraded", secret, entry)
	}
}

// checkRemoval removes both releases. before are the objects of before the installation.
func (c *cluster) checkRemoval(before []string) {
	c.t.Helper()
	c.helm("uninstall", "rollcall", "rollcall-agent")
	want := append([]string{
		"ClusterAgent prod-eu", "CustomResourceDefinition clusteragents.rollcall.dev", "CustomResourceDefinition clusterstatuses.rollcall.dev",
		"Namespace rollcall-system", "Secret rollcall-agent-tls", "Secret rollcall-master-ca", "Secret rollcall-master-signing-key",
	}, before...)
	slices.Sort(want)
	if got := c.objects(); !slices.Equal(got, want) {
		c.t.Errorf("after the removal: got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for secret, entry := range keys {
		c.checkKey("removed", secret, entry)
	}
}

// checkCommands runs the commands that remove the rest, as they stand in the notes.
func (c *cluster) checkCommands(notes string, before []string) {
	c.t.Helper()
	commands := 0
	for line := range strings.Lines(notes) {
		args := strings.Fields(line)
		if len(args) < 3 || args[0] != "kubectl" || !slices.Contains(args, "delete") {
			continue
		}
		commands++
		c.kubectl(args[1:]...)
	}
	if commands != 3 {
		c.t.Errorf("got %d commands to remove the rest, want 3", commands)
	}
	kube.Eventually(c.t, deletionTimeout, func() error {
		want := append([]string{"Namespace rollcall-system"}, before...)
		slices.Sort(want)
		if got := c.objects(); !slices.Equal(got, want) {
			return fmt.Errorf("got %q, want %q", got, want)
		}
		return nil
	})
}
