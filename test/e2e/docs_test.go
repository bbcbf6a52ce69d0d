package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"rollcall.dev/rollcall/test/kube"
)

// repository is the root folder of the repository.
const repository = "../.."

// readDoc returns the text of a document.
func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns the fenced blocks of a section of Markdown, up to the next section.
func blocks(text, section string) []string {
	_, text, _ = strings.Cut(text, "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var found []string
	for i, part := range strings.Split(text, "```") {
		if i%2 == 1 {
			found = append(found, part)
		}
	}
	return found
}

// withConfig returns a folder with a link to config/ and nothing else, as users of the documents have it.
func withConfig(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	config, err := filepath.Abs(filepath.Join(repository, "config"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(config, filepath.Join(dir, "config")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestInstallGuide runs the commands of docs/INSTALL.md on clusters without nodes, so nothing fills in the keys;
// test/realnode runs those for manifests and charts on nodes.
func TestInstallGuide(t *testing.T) {
	t.Parallel()
	guide := readDoc(t, "docs/INSTALL.md")
	steps := blocks(guide, "Manifests")
	if len(steps) != 6 {
		t.Fatalf("docs/INSTALL.md: got %d code blocks in section \"Manifests\", want 6 (hub, public key, CA, member, pin, ClusterAgent)", len(steps))
	}
	dir := withConfig(t)
	hub, member := kube.Fresh(t, kube.Options{Name: "guide-hub"}), kube.Fresh(t, kube.Options{Name: "guide-member"})
	for i, cluster := range []*kube.Cluster{hub, hub, hub, member, member} {
		shell(t, dir, cluster, steps[i])
	}
	manifest := strings.TrimPrefix(steps[5], "yaml\n")
	if out, err := hub.KubectlInput(manifest, "apply", "--validate=strict", "-f", "-"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	installed := map[string]*kube.Cluster{"rollcall-master": hub, "rollcall-agent": member}
	for name, c := range installed {
		if _, err := c.Kubectl("-n", "rollcall-system", "get", "deployment", name); err != nil {
			t.Error(err)
		}
	}

	steps = blocks(guide, "GitOps")
	if len(steps) != 4 {
		t.Fatalf("docs/INSTALL.md: got %d code blocks in section \"GitOps\", want 4 (overlay of the hub, of the member, commands for both)", len(steps))
	}
	for path, content := range map[string]string{
		"hub/kustomization.yaml": steps[0], "clusters/prod-eu.yaml": "yaml\n" + manifest,
		"prod-eu/kustomization.yaml": steps[1], "prod-eu/signing.key.pub": "yaml\n-----BEGIN PUBLIC KEY-----\n",
	} {
		write(t, filepath.Join(dir, path), strings.TrimPrefix(content, "yaml\n"))
	}
	for name, c := range installed {
		secret := map[string]string{"rollcall-master": "rollcall-master-signing-key", "rollcall-agent": "rollcall-agent-tls"}[name]
		if _, err := c.Kubectl("-n", "rollcall-system", "patch", "secret", secret, "-p", `{"data":{"key":"a2V5"}}`); err != nil {
			t.Fatal(err)
		}
		shell(t, dir, c, strings.TrimPrefix(map[string]string{"rollcall-master": steps[2], "rollcall-agent": steps[3]}[name], "sh\n"))
		got, err := c.Kubectl("-n", "rollcall-system", "get", "deployment", name, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
		if err != nil || !strings.HasPrefix(got, "registry.example/rollcall/"+name+":v") {
			t.Errorf("%s: got image %q, %v; want that of the overlay", name, got, err)
		}
		for _, flags := range []string{"", " --server-side --force-conflicts"} {
			shell(t, dir, c, "kubectl apply -k config/"+strings.TrimPrefix(name, "rollcall-")+flags)
			if got, err := c.Kubectl("-n", "rollcall-system", "get", "secret", secret, "-o", "jsonpath={.data.key}"); err != nil || got != "a2V5" {
				t.Errorf("%s applied again%s: got the key %q, %v; want it unchanged", name, flags, got, err)
			}
		}
	}
}

// write writes a file and the folders above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shell runs commands in a shell with the binaries in PATH and a kubeconfig.
func shell(t *testing.T, dir string, cluster *kube.Cluster, commands string) {
	t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-exc", commands)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + env.stack.BinDir() + ":" + binaries + ":" + os.Getenv("PATH"), "KUBECONFIG=" + cluster.Kubeconfig, "HOME=" + dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// documents returns the paths of all documents for users.
func documents(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(repository, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}
	for _, path := range found {
		names = append(names, filepath.Join("docs", filepath.Base(path)))
	}
	return names
}

func TestDocumentsNameExistingMakeTargets(t *testing.T) {
	t.Parallel()
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	for _, doc := range documents(t) {
		for _, m := range target.FindAllStringSubmatch(readDoc(t, doc), -1) {
			if out, err := exec.CommandContext(t.Context(), "make", "-n", "-C", repository, m[1]).CombinedOutput(); err != nil {
				t.Errorf("%s: make %s: %v\n%s", doc, m[1], err, out)
			}
		}
	}
}

func TestDocumentsLinkToExistingFiles(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, doc := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(readDoc(t, doc), -1) {
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
}
