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

// TestREADMEInstallsOnRealClusters runs the commands on clusters without nodes, so nothing fills in the keys;
// test/realnode runs them on nodes.
func TestREADMEInstallsOnRealClusters(t *testing.T) {
	t.Parallel()
	steps := blocks(readDoc(t, "README.md"), "Install on real clusters")
	if len(steps) != 6 {
		t.Fatalf("README.md: got %d code blocks in section \"Install on real clusters\", want 6 (hub, public key, CA, member, pin, ClusterAgent)", len(steps))
	}
	dir := withConfig(t)
	hub, member := kube.Fresh(t, kube.Options{Name: "readme-hub"}), kube.Fresh(t, kube.Options{Name: "readme-member"})
	for i, cluster := range []*kube.Cluster{hub, hub, hub, member, member} {
		shell(t, dir, cluster, steps[i])
	}
	manifest := strings.TrimPrefix(steps[5], "yaml\n")
	if out, err := hub.KubectlInput(manifest, "apply", "--validate=strict", "-f", "-"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for name, c := range map[string]*kube.Cluster{"rollcall-master": hub, "rollcall-agent": member} {
		if _, err := c.Kubectl("-n", "rollcall-system", "get", "deployment", name); err != nil {
			t.Error(err)
		}
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
