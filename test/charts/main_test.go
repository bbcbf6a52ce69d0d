package charts

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"rollcall.dev/rollcall/test/kube"
)

// update writes the golden files.
var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(kube.Main(m))
}

// namespace is the namespace of the releases.
const namespace = "rollcall-system"

// chart returns the folder of a chart.
func chart(name string) string { return filepath.Join(repository, "config/charts", name) }

// helmPath returns the path of the helm binary, which is built at the first use.
var helmPath = sync.OnceValues(func() (string, error) {
	out, err := exec.Command(filepath.Join(repository, "hack/tool.sh"), "--path", "helm").Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", errors.New(string(exit.Stderr))
	}
	return filepath.Join(strings.TrimSpace(string(out)), "helm"), err
})

// helm runs helm with a cluster's kubeconfig, which may be empty, and returns both outputs.
func helm(t *testing.T, kubeconfig string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	path, err := helmPath()
	if err != nil {
		t.Fatal(err)
	}
	if kubeconfig == "" {
		kubeconfig = os.DevNull
	}
	var out, errOut strings.Builder
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "KUBECONFIG=" + kubeconfig}
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	return out.String(), errOut.String(), err
}

// mustHelm is like helm and fails the test at an error.
func mustHelm(t *testing.T, kubeconfig string, args ...string) string {
	t.Helper()
	stdout, stderr, err := helm(t, kubeconfig, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}
