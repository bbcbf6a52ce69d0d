package manifests

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/client/plugin"
	"rollcall.dev/rollcall/test/kube"
)

// block returns the first block of shell commands after some words in a document.
func block(t *testing.T, document, words string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, document))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), words)
	_, rest, opened := strings.Cut(rest, "```sh\n")
	commands, _, closed := strings.Cut(rest, "```")
	if !found || !opened || !closed {
		t.Fatalf("%s: no commands after %q", document, words)
	}
	return commands
}

// shell runs commands in a shell with kubectl and a kubeconfig of the hub, and returns the output.
func (w *world) shell(commands string) string {
	w.t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(w.t.Context(), "sh", "-ec", commands)
	cmd.Dir = w.dir
	cmd.Env = []string{"PATH=" + binaries + ":" + os.Getenv("PATH"), "KUBECONFIG=" + w.hub.Kubeconfig, "HOME=" + w.dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return strings.TrimSpace(string(out))
}

// pluginVerifies checks the commands in docs/KUBECTL.md for verifying a master at
// --server.
func (w *world) pluginVerifies(r *replica) {
	w.t.Helper()
	read, status, found := strings.Cut(block(w.t, "docs/KUBECTL.md", "For `--server`, get the same CA"), "\n")
	if !found {
		w.t.Fatalf("got %q, want two commands", read)
	}
	w.shell(read)
	args := strings.Fields(strings.NewReplacer("https://rollcall.example:8443", "https://"+r.address, "ca.crt", filepath.Join(w.dir, "ca.crt")).Replace(status))
	if len(args) < 3 || args[1] != "rollcall" {
		w.t.Fatalf("got %q, want a command of the plugin", status)
	}
	var out, told bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &told}
	ask := func(args ...string) int {
		out.Reset()
		told.Reset()
		return plugin.Run(w.t.Context(), plugin.Config{IOStreams: streams, Getenv: func(string) string { return "" }}, append(args, "--kubeconfig", w.hub.Kubeconfig))
	}
	kube.Eventually(w.t, patience, func() error {
		if code := ask(args[2:]...); code != 0 {
			return fmt.Errorf("%s: exit code %d: %s", status, code, &told)
		}
		return nil
	})
	if code := ask("status", "--server", "https://"+r.address); code == 0 || !strings.Contains(told.String(), "certificate") {
		w.t.Errorf("without the CA: got exit code %d: %s; want an error about the certificate", code, &told)
	}
}

// tokensAreForTheMasterOnly checks the command in docs/API.md for a token that only the master accepts.
func (w *world) tokensAreForTheMasterOnly(bundle string) {
	w.t.Helper()
	w.shell("kubectl create serviceaccount viewer && kubectl create clusterrolebinding viewer --clusterrole rollcall-viewer --serviceaccount default:viewer")
	narrow, wide := w.shell(block(w.t, "docs/API.md", "### Tokens for the master only")), w.shell("kubectl create token viewer")
	r := w.start("narrow", "--token-audiences=rollcall", "--leader-elect=false")
	for _, tc := range []struct {
		whose, token string
		want         int
	}{
		{"with the master's audience", narrow, http.StatusOK},
		{"with the API server's audience", wide, http.StatusUnauthorized},
	} {
		kube.Eventually(w.t, patience, func() error {
			if _, err := verified(bundle, r); err != nil {
				return err
			}
			status, err := ask(bundle, r, tc.token)
			if err == nil && status != tc.want {
				err = fmt.Errorf("token %s: got status %d, want %d", tc.whose, status, tc.want)
			}
			return err
		})
	}
	config := rest.AnonymousClientConfig(w.hub.Config())
	config.BearerToken = narrow
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := api.CoreV1().Namespaces().List(w.t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		w.t.Errorf("API server with a token for the master: got %v, want Unauthorized", err)
	}
}
