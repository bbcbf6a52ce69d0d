package join

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

// fakeMember serves what WriteManifests reads of a member.
func (f *fixture) fakeMember(name string) *Cluster {
	answers := map[string]string{
		"/version":                          `{"gitVersion":"v1.35.0"}`,
		"/api/v1/namespaces/kube-system":    `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"uid-of-` + name + `"}}`,
		"/.well-known/openid-configuration": `{"issuer":"https://kubernetes.default.svc.cluster.local"}`,
		"/openid/v1/jwks":                   `{"keys":[{"kty":"RSA","kid":"` + name + `","n":"AQAB","e":"AQAB"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	f.t.Cleanup(server.Close)
	return f.cluster(name, &rest.Config{Host: server.URL})
}

// TestOneCommitForAHundredClusters writes manifests for 100 clusters, and applies those of the hub.
func TestOneCommitForAHundredClusters(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	o := ManifestOptions{
		Hub: f.cluster("hub", f.hub.Config()), HubNamespace: Namespace, Members: map[string]*Cluster{"also-the-hub": f.cluster("hub", f.hub.Config())}, Dir: dir,
		Labels: map[string]string{"region": "eu"}, ImageRegistry: "registry.example/rollcall", Out: f.out,
	}
	for i := range 100 {
		name := fmt.Sprintf("edge-%03d", i)
		o.Members[name] = f.fakeMember(name)
	}
	o.Members["same-cluster"] = f.fakeMember("edge-007")
	if err := WriteManifests(t.Context(), o); err != nil {
		t.Fatalf("%v\n%s", err, f.out)
	}
	f.contains(f.out.String(), []string{
		"✓ edge-000", "✓ edge-099", "100 clusters in " + dir,
		"! also-the-hub   left out: its context is for the same cluster as the hub", "! same-cluster   left out: its context is for the same cluster as edge-007",
	})
	checkNoSecret(t, dir)
	f.kubectl(f.hub, "apply", "-k", filepath.Join(dir, "hub"))
	if got := f.kubectl(f.hub, "get", "clusteragents", "-l", "region=eu", "-o", "name"); strings.Count(got, "\n") != 100 {
		t.Errorf("the hub has\n%s, want 100 ClusterAgents", got)
	}
	account := f.kubectl(f.hub, "get", "clusteragent", "edge-042", "-o", "jsonpath={.spec.clusterUID} {.spec.identity.serviceAccount.audience} {.spec.identity.serviceAccount.jwks}")
	want := "uid-of-edge-042 " + audience(testKey, "edge-042") + ` {"keys":[{"kty":"RSA","kid":"edge-042","n":"AQAB","e":"AQAB"}]}`
	if account != want {
		t.Errorf("got %s, want %s", account, want)
	}
	f.kubectl(f.member, "apply", "-k", filepath.Join(dir, "members", "edge-042"))
	deployment := f.kubectl(f.member, "-n", Namespace, "get", "deployment", agentName, "-o", "yaml")
	f.contains(deployment, []string{"--service-account-token-file=/var/run/secrets/rollcall.dev/hub/token", "audience: " + audience(testKey, "edge-042"), "image: registry.example/rollcall/rollcall-agent:v"})
}

// checkNoSecret reads all files of a folder.
func checkNoSecret(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for _, secret := range []string{"PRIVATE KEY", "stringData", "rollcall-join.", "Bearer"} {
			if strings.Contains(string(text), secret) {
				t.Errorf("%s contains %q", path, secret)
			}
		}
		return err
	})
	if err != nil || files != 1+100+2*100 {
		t.Errorf("got %d files, %v", files, err)
	}
}

func TestManifestsOfFaultyClusters(t *testing.T) {
	f := newFixture(t)
	f.register("taken", "another-uid")
	o := ManifestOptions{Hub: f.cluster("hub", f.hub.Config()), HubNamespace: Namespace, Dir: t.TempDir(), Out: f.out, Members: map[string]*Cluster{
		"good": f.fakeMember("good"), "gone": f.cluster("gone", &rest.Config{Host: "http://127.0.0.1:1"}), "taken": f.fakeMember("taken"),
	}}
	if err := WriteManifests(t.Context(), o); err == nil {
		t.Error("got no error")
	}
	f.contains(f.out.String(), []string{"✓ good", "✗ gone", "cannot be reached", "✗ taken", "the name taken is taken", "1 cluster in", "2 clusters could not be read"})
	if _, err := os.Stat(filepath.Join(o.Dir, "members", "good", "agent.yaml")); err != nil {
		t.Error(err)
	}
}
