package controllers

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"rollcall.dev/rollcall/api/v1alpha1"
	"rollcall.dev/rollcall/test/kube"
)

// documentedCommands returns the blocks of commands in a section of docs/OPERATIONS.md.
func documentedCommands(t *testing.T, section string) []string {
	t.Helper()
	text, err := os.ReadFile("../docs/OPERATIONS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## "+section+"\n")
	rest, _, _ = strings.Cut(rest, "\n## ")
	var all []string
	for i, block := range strings.Split(rest, "```") {
		if commands, ok := strings.CutPrefix(block, "sh\n"); ok && i%2 == 1 {
			all = append(all, commands)
		}
	}
	return all
}

// shell runs commands in a folder as the administrator of a hub.
func (h *hub) shell(t *testing.T, dir, commands string) {
	t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-exc", commands)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + binaries + ":" + os.Getenv("PATH"), "KUBECONFIG=" + h.Kubeconfig, "HOME=" + dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// The commands are those of docs/OPERATIONS.md. Members are not touched: all that a master needs of them is in the
// ClusterAgents and the keys.
func TestHubIsMovedByTheDocumentedCommands(t *testing.T) {
	blocks := documentedCommands(t, "Backup, restore and moving a hub")
	if len(blocks) != 2 {
		t.Fatalf("docs/OPERATIONS.md: got %d blocks of commands, want backup and restore", len(blocks))
	}
	dir, old := t.TempDir(), newHub(t)
	for _, name := range []string{"rollcall-master-signing-key", "rollcall-master-ca"} {
		old.kubectl(t, "-n", masterNamespace, "create", "secret", "generic", name, "--from-literal=key="+name)
		t.Cleanup(func() { _, _ = old.Kubectl("-n", masterNamespace, "delete", "secret", name) })
	}
	agent := named("moved")
	agent.Spec.ClusterUID, agent.Spec.ClusterIPs = "8a1f", []string{"203.0.113.77"}
	agent.Spec.TLS.PinnedSHA256 = []string{strings.Repeat("a1", 32)}
	old.apply(t, agent)
	before := old.startMaster(t)
	before.setStatus("moved", of(agent, open))
	old.awaitAgent(t, "moved", "Ready=True/Succeeded")
	old.shell(t, dir, blocks[0])

	next := hubOn(t, kube.Fresh(t, kube.Options{Name: "next-hub"}))
	restore := strings.SplitAfter(blocks[1], "keys.yaml\n")
	next.shell(t, dir, restore[0])
	next.kubectl(t, "apply", "--server-side", "-k", "../config/crd")
	next.kubectl(t, "apply", "--server-side", "-k", "../config/rbac/master")
	next.kubectl(t, "wait", "--for=condition=Established", "--timeout=30s", "crd/clusteragents.rollcall.dev", "crd/clusterstatuses.rollcall.dev")
	next.shell(t, dir, restore[1])

	for _, name := range []string{"rollcall-master-signing-key", "rollcall-master-ca"} {
		get := []string{"-n", masterNamespace, "get", "secret", name, "-o", "jsonpath={.data}"}
		if was, is := old.kubectl(t, get...), next.kubectl(t, get...); was != is {
			t.Errorf("secret %s: got %s, want %s", name, is, was)
		}
	}
	after := next.startMaster(t)
	next.awaitAgent(t, "moved", "Ready=Unknown/AwaitingFirstContact")
	restored := &v1alpha1.ClusterAgent{ObjectMeta: metav1.ObjectMeta{Name: "moved"}}
	if err := next.client.Get(t.Context(), client.ObjectKeyFromObject(restored), restored); err != nil {
		t.Fatal(err)
	}
	if !equality.Semantic.DeepEqual(restored.Spec, agent.Spec) {
		t.Errorf("got the spec %+v, want %+v", restored.Spec, agent.Spec)
	}
	if name, err := after.registry.Resolve("203.0.113.77"); err != nil || name != "moved" {
		t.Errorf("the address is of %q, %v", name, err)
	}
	after.setStatus("moved", of(restored, open))
	next.awaitAgent(t, "moved", "Ready=True/Succeeded")
}
