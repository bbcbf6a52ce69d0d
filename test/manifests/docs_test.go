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

// commandBlock returns the first block of shell commands after some words in a document.
func commandBlock(t *testing.T, document, words string) string {
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
func (env *environment) shell(commands string) string {
	env.t.Helper()
	binaries, err := kube.Binaries()
	if err != nil {
		env.t.Fatal(err)
	}
	cmd := exec.CommandContext(env.t.Context(), "sh", "-ec", commands)
	cmd.Dir = env.dir
	cmd.Env = []string{"PATH=" + binaries + ":" + os.Getenv("PATH"), "KUBECONFIG=" + env.hub.Kubeconfig, "HOME=" + env.dir}
	out, err := cmd.CombinedOutput()
	if err != nil {
		env.t.Fatalf("%s: %v\n%s", commands, err, out)
	}
	return strings.TrimSpace(string(out))
}

// checkPlugin checks the commands in docs/KUBECTL.md for verifying a master at
// --server.
func (env *environment) checkPlugin(r *replica) {
	env.t.Helper()
	read, status, found := strings.Cut(commandBlock(env.t, "docs/KUBECTL.md", "For `--server`, get the same CA"), "\n")
	if !found {
		env.t.Fatalf("got %q, want two commands", read)
	}
	env.shell(read)
	args := strings.Fields(strings.NewReplacer("https://rollcall.example:8443", "https://"+r.address, "ca.crt", filepath.Join(env.dir, "ca.crt")).Replace(status))
	if len(args) < 3 || args[1] != "rollcall" {
		env.t.Fatalf("got %q, want a command of the plugin", status)
	}
	var out, errOut bytes.Buffer
	streams := genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut}
	runPlugin := func(args ...string) int {
		out.Reset()
		errOut.Reset()
		return plugin.Run(env.t.Context(), plugin.Config{IOStreams: streams, Getenv: func(string) string { return "" }}, append(args, "--kubeconfig", env.hub.Kubeconfig))
	}
	kube.Eventually(env.t, timeout, func() error {
		if code := runPlugin(args[2:]...); code != 0 {
			return fmt.Errorf("%s: exit code %d: %s", status, code, &errOut)
		}
		return nil
	})
	if code := runPlugin("status", "--server", "https://"+r.address); code == 0 || !strings.Contains(errOut.String(), "certificate") {
		env.t.Errorf("without the CA: got exit code %d: %s; want an error about the certificate", code, &errOut)
	}
}

// checkNarrowToken checks the command in docs/API.md for a token that only the master accepts.
func (env *environment) checkNarrowToken(bundle string) {
	env.t.Helper()
	env.shell("kubectl create serviceaccount viewer && kubectl create clusterrolebinding viewer --clusterrole rollcall-viewer --serviceaccount default:viewer")
	narrow, wide := env.shell(commandBlock(env.t, "docs/API.md", "### Tokens for the master only")), env.shell("kubectl create token viewer")
	r := env.start("narrow", "--token-audiences=rollcall", "--leader-elect=false")
	for _, tc := range []struct {
		whose, token string
		want         int
	}{
		{"with the master's audience", narrow, http.StatusOK},
		{"with the API server's audience", wide, http.StatusUnauthorized},
	} {
		kube.Eventually(env.t, timeout, func() error {
			if _, err := verify(bundle, r); err != nil {
				return err
			}
			status, err := listClusters(bundle, r, tc.token)
			if err == nil && status != tc.want {
				err = fmt.Errorf("token %s: got status %d, want %d", tc.whose, status, tc.want)
			}
			return err
		})
	}
	config := rest.AnonymousClientConfig(env.hub.Config())
	config.BearerToken = narrow
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		env.t.Fatal(err)
	}
	if _, err := api.CoreV1().Namespaces().List(env.t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		env.t.Errorf("API server with a token for the master: got %v, want Unauthorized", err)
	}
}
