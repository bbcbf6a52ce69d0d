package local

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/test/kube"
)

// kubeconfigFile writes a kubeconfig with contexts, and returns its path.
func kubeconfigFile(t *testing.T, contexts map[string]userContext) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, path, contexts)
	return path
}

// userContext is a context of a kubeconfig.
type userContext struct {
	*rest.Config
	namespace string
	// user is the name of the user in the kubeconfig.
	user   string
	plugin *clientcmdapi.ExecConfig
}

// writeKubeconfig writes a kubeconfig to a path.
func writeKubeconfig(t *testing.T, path string, contexts map[string]userContext) {
	t.Helper()
	all := clientcmdapi.NewConfig()
	for name, c := range contexts {
		all.Clusters[c.Host] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
		all.AuthInfos[c.user] = &clientcmdapi.AuthInfo{ClientCertificateData: c.CertData, ClientKeyData: c.KeyData, Token: c.BearerToken, Exec: c.plugin}
		all.Contexts[name] = &clientcmdapi.Context{Cluster: c.Host, AuthInfo: c.user, Namespace: c.namespace}
	}
	if err := clientcmd.WriteToFile(*all, path); err != nil {
		t.Fatal(err)
	}
}

// admin returns a context with all rights.
func admin(c *kube.Cluster) userContext {
	return userContext{Config: c.Config(), user: "admin-of-" + c.Name}
}

// withToken returns a context that authenticates by a token.
func withToken(c *kube.Cluster, token string) userContext {
	config := rest.AnonymousClientConfig(c.Config())
	config.BearerToken = token
	return userContext{Config: config, user: "token-of-" + c.Name}
}

// namespaceWithPod creates a namespace with a pod, and deletes it when the test ends.
func namespaceWithPod(t *testing.T, client kubernetes.Interface, namespace string) {
	t.Helper()
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	addPod(t, client, namespace, "web")
	t.Cleanup(func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), namespace, metav1.DeleteOptions{})
	})
}

// addPod creates a pod, which stays pending.
func addPod(t *testing.T, client kubernetes.Interface, namespace, name string) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "app", Image: "example/app:1"}}, AutomountServiceAccountToken: new(bool),
	}}
	eventually(t, "create a pod", func() bool {
		_, err := client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
		return err == nil
	}, func() string { return "" })
}

// podsOf returns the pods of a cluster as NAMESPACE/NAME.
func (r *running) podsOf(cluster string) []string {
	var list struct {
		Pods []struct{ Namespace, Name string }
	}
	r.get("/api/v1/clusters/"+cluster+"/pods", &list)
	var names []string
	for _, p := range list.Pods {
		names = append(names, p.Namespace+"/"+p.Name)
	}
	return names
}

// sectionError returns the error of a section of a cluster.
func (r *running) sectionError(cluster string, section httpv1.SectionName) state.SectionError {
	var document httpv1.Document
	r.get("/api/v1/clusters/"+cluster, &document)
	for _, s := range document.Sections {
		if s.Name == section && s.Error != nil {
			return *s.Error
		}
	}
	return state.SectionError{}
}

// waitReporting waits until a cluster reports.
func (r *running) waitReporting(cluster string) {
	r.t.Helper()
	eventually(r.t, cluster+" reports", func() bool { return r.clusters()[cluster].Session.Phase == httpv1.Reporting }, r.state)
}

// state returns the clusters and what was printed.
func (r *running) state() string {
	text, _ := json.MarshalIndent(r.clusters(), "", " ")
	return string(text) + "\n" + r.String()
}

func TestClustersOfTheKubeconfig(t *testing.T) {
	one, other := kube.Shared(t, kube.Options{Name: "one"}), kube.Shared(t, kube.Options{Name: "other"})
	namespaceWithPod(t, one.Client(), "shop")
	gone := userContext{Config: &rest.Config{Host: "https://127.0.0.1:1"}, user: "gone"}
	path := kubeconfigFile(t, map[string]userContext{
		"arn:aws:eks:eu-west-1:123456789012:cluster/Prod": admin(one), "shop/api:6443/dev": admin(other),
		"gone": gone, "expired": withToken(other, "no-valid-token"),
	})
	r := start(t, Config{Kubeconfig: path, AllContexts: true})
	r.waitReporting("prod")
	r.waitReporting("shop-api-6443-dev")
	if pods := r.podsOf("prod"); !slices.Contains(pods, "shop/web") {
		t.Errorf("got the pods %q, want shop/web", pods)
	}
	r.waitPrinted("prod: the cluster of the context arn:aws:eks:eu-west-1:123456789012:cluster/Prod")
	for name, want := range map[string]string{"gone": "https://127.0.0.1:1 cannot be reached", "expired": "does not accept the credentials of the context expired"} {
		eventually(t, name+" says why", func() bool {
			s := r.clusters()[name].Session
			return s.Reason == "AgentNotReady" && strings.Contains(s.Message, want)
		}, r.state)
		r.waitPrinted(name + ": ")
	}
	// New credentials are used as soon as the kubeconfig has them; it is the cluster of another context.
	writeKubeconfig(t, path, map[string]userContext{"expired": admin(other)})
	r.waitPrinted("expired: the same cluster as shop-api-6443-dev, which is shown once")
	if got, want := slices.Sorted(maps.Keys(r.clusters())), []string{"gone", "prod", "shop-api-6443-dev"}; !slices.Equal(got, want) {
		t.Errorf("got the clusters %q, want %q", got, want)
	}
}

func TestPageIsServedWhileAClusterDoesNotAnswer(t *testing.T) {
	one := kube.Fresh(t, kube.Options{Name: "frozen"})
	one.FreezeAPIServer()
	r := start(t, Config{Kubeconfig: kubeconfigFile(t, map[string]userContext{"frozen": admin(one)}), AllContexts: true})
	if c := r.clusters()["frozen"]; c.Session.Phase == httpv1.Reporting || c.Name == "" {
		t.Errorf("got %+v, want a cluster that does not report", c)
	}
	one.ThawAPIServer()
	r.waitReporting("frozen")
}

func TestUserWithRightsInSomeNamespaces(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "one"})
	for _, namespace := range []string{"team-a", "team-b", "team-c"} {
		namespaceWithPod(t, cluster.Client(), namespace)
	}
	for _, namespace := range []string{"team-a", "team-b"} {
		grant(t, cluster, namespace, "developer")
	}
	config, _, err := cluster.User("developer")
	if err != nil {
		t.Fatal(err)
	}
	path := kubeconfigFile(t, map[string]userContext{
		"a": {Config: config, user: "developer", namespace: "team-a"}, "b": {Config: config, user: "developer", namespace: "team-b"},
		"c": {Config: config, user: "developer", namespace: "team-c"},
	})
	r := start(t, Config{Kubeconfig: path, Contexts: []string{"a"}})
	r.waitReporting("a")
	if got, want := r.podsOf("a"), []string{"team-a/web", "team-b/web"}; !slices.Equal(got, want) {
		t.Errorf("got the pods %q, want %q", got, want)
	}
	for section, want := range map[httpv1.SectionName]string{
		"nodes": "no nodes are shown: you may not list and watch nodes", "pods": "only pods in the namespaces team-a, team-b are shown",
		"network": "only services in the namespaces team-a, team-b are shown", "storage": "you may not list and watch persistentvolumes",
	} {
		eventually(t, fmt.Sprintf("section %s is restricted: %s", section, want), func() bool {
			e := r.sectionError("a", section)
			return e.Reason == state.ReasonRestricted && strings.Contains(e.Message, want)
		}, func() string { return fmt.Sprint(r.sectionError("a", section)) })
	}
	r.waitPrinted("a: only pods in the namespaces team-a, team-b are shown")
	addPod(t, cluster.Client(), "team-b", "api")
	addPod(t, cluster.Client(), "team-c", "api")
	zero := int64(0)
	if err := cluster.Client().CoreV1().Pods("team-a").Delete(t.Context(), "web", metav1.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
		t.Fatal(err)
	}
	want := []string{"team-b/api", "team-b/web"}
	eventually(t, "changes are shown", func() bool { return slices.Equal(r.podsOf("a"), want) }, func() string { return strings.Join(r.podsOf("a"), " ") })
}

func TestNamespacesFlagReplacesThoseOfTheKubeconfig(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "one"})
	namespaceWithPod(t, cluster.Client(), "team-d")
	grant(t, cluster, "team-d", "tester")
	config, _, err := cluster.User("tester")
	if err != nil {
		t.Fatal(err)
	}
	path := kubeconfigFile(t, map[string]userContext{"test": {Config: config, user: "tester"}})
	r := start(t, Config{Kubeconfig: path, AllContexts: true, Namespaces: []string{"team-d"}})
	r.waitReporting("test")
	if got, want := r.podsOf("test"), []string{"team-d/web"}; !slices.Equal(got, want) {
		t.Errorf("got the pods %q, want %q", got, want)
	}
}

// grant lets a user read the pods, Services, EndpointSlices and claims of a namespace.
func grant(t *testing.T, cluster *kube.Cluster, namespace, user string) {
	t.Helper()
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: user}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods", "services", "persistentvolumeclaims"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	}}
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
	}
	if _, err := cluster.Client().RbacV1().Roles(namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Client().RbacV1().RoleBindings(namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
