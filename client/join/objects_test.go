package join

import (
	"flag"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

var update = flag.Bool("update", false, "write manifests/agent.yaml; hack/generate.sh sets it")

// TestManifestsAreThoseOfConfig compares the embedded manifests with the tree config/agent.
func TestManifestsAreThoseOfConfig(t *testing.T) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), "../../config/agent")
	if err != nil {
		t.Fatal(err)
	}
	want, err := rendered.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("manifests/agent.yaml", want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(manifests) != string(want) {
		t.Error("manifests/agent.yaml is not what config/agent renders to: run `make generate`")
	}
}

// agentArgs returns the arguments of the agent in the Deployment.
func agentArgs(t *testing.T, s agentSettings) string {
	t.Helper()
	objects, err := agentObjects(s)
	if err != nil {
		t.Fatal(err)
	}
	last := objects[len(objects)-1]
	if last.GetKind() != "Deployment" {
		t.Fatalf("the last object is a %s, want the Deployment", last.GetKind())
	}
	text, err := last.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAgentOfAReverseLink(t *testing.T) {
	s := agentSettings{cluster: "prod-eu", hub: "wss://hub.example:443", ca: "CA", serverName: "rollcall-master.rollcall-system.svc", proxy: "http://proxy.example:3128", registry: "registry.example/mirror/", pullSecret: "pull", signingKeys: "KEY"}
	text := agentArgs(t, s)
	for _, want := range []string{
		`"--hub=wss://hub.example:443"`, `"--hub-ca-file=/etc/rollcall/master/ca.crt"`, `"--hub-server-name=rollcall-master.rollcall-system.svc"`,
		`"--hub-proxy=http://proxy.example:3128"`, `"image":"registry.example/mirror/rollcall-agent:v`, `"imagePullSecrets":[{"name":"pull"}]`, `"name":"rollcall-agent-hub"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the Deployment has no %s:\n%s", want, text)
		}
	}
	objects, err := agentObjects(s)
	if err != nil {
		t.Fatal(err)
	}
	if first := objects[0].GetKind(); first != "Namespace" {
		t.Errorf("the first object is a %s, want the Namespace", first)
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "Service":
			t.Error("got a Service, though nobody dials the agent")
		case "NetworkPolicy":
			if spec := object.Object["spec"].(map[string]any); spec["ingress"] != nil {
				t.Errorf("the NetworkPolicy allows ingress: %v", spec)
			}
		}
		if object.GetLabels()[managedByLabel] != FieldManager {
			t.Errorf("%s has the labels %v", describe(object), object.GetLabels())
		}
	}
}

func TestAgentThatIsDialed(t *testing.T) {
	s := agentSettings{cluster: "prod-eu", expose: "LoadBalancer", signingKeys: "KEY"}
	if text := agentArgs(t, s); strings.Contains(text, "--hub") || strings.Contains(text, "imagePullSecrets") {
		t.Errorf("got %s", text)
	}
	objects, err := agentObjects(s)
	if err != nil {
		t.Fatal(err)
	}
	services := 0
	for _, object := range objects {
		text, _ := object.MarshalJSON()
		if object.GetKind() == "Service" {
			services++
			if !strings.Contains(string(text), `"type":"LoadBalancer"`) || strings.Contains(string(text), "nodePort") {
				t.Errorf("got %s", text)
			}
		}
	}
	if services != 1 {
		t.Errorf("got %d Services, want 1", services)
	}
}

// TestAgentWithAJoinToken checks that the token is in a Secret, and is not printed.
func TestAgentWithAJoinToken(t *testing.T) {
	s := agentSettings{cluster: "prod-eu", hub: "wss://hub.example:443", joinToken: "rollcall-join.v1.secret", proxy: "http://proxy.example:3128", signingKeys: "KEY"}
	text := agentArgs(t, s)
	if !strings.Contains(text, `"--join-token-file=/etc/rollcall/join/token"`) || !strings.Contains(text, "--hub-proxy=") || strings.Contains(text, "--hub=") || strings.Contains(text, s.joinToken) {
		t.Errorf("got %s", text)
	}
	objects, err := agentObjects(s)
	if err != nil {
		t.Fatal(err)
	}
	secrets := 0
	for _, object := range objects {
		if object.GetKind() == "Secret" && object.GetName() == joinTokenSecret {
			secrets++
		}
	}
	var printed strings.Builder
	if err := writeObjects(&printed, "cluster", objects); err != nil {
		t.Fatal(err)
	}
	if secrets != 1 || strings.Contains(printed.String(), s.joinToken) || !strings.Contains(printed.String(), joinTokenSecret) {
		t.Errorf("got %d Secrets, printed %s", secrets, &printed)
	}
}
