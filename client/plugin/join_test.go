package plugin

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"rollcall.dev/rollcall/api/jointoken"
)

const twoContexts = `{apiVersion: v1, kind: Config, current-context: hub,
contexts: [{name: hub, context: {cluster: c, user: u}}, {name: prod-eu-admin, context: {cluster: c, user: u}}],
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}]}`

// runOffline runs the plugin with a kubeconfig of clusters that do not exist, and returns what it prints.
func runOffline(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(twoContexts), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := Run(t.Context(), Config{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &out}}, append(args, "--kubeconfig", kubeconfig))
	if code != exitFailed {
		t.Errorf("%q: got exit code %d, want %d\n%s", args, code, exitFailed, &out)
	}
	return out.String()
}

func TestFlagsOfJoinThatDoNotFit(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"join", "name the cluster and set --context"},
		{"join prod-eu", "name the cluster and set --context"},
		{"join prod-eu --context hub", "set --hub-context"},
		{"join prod-eu --context other", `context "other" does not exist`},
		{"join prod-eu --context prod-eu-admin --expose Ingress", "neither NodePort nor LoadBalancer"},
		{"join prod-eu --context prod-eu-admin --dry-run=yes", "neither none, client nor server"},
		{"join prod-eu --context prod-eu-admin -o json", "is not yaml"},
		{"join prod-eu --context prod-eu-admin --wait 0s", "--wait must be longer than 0"},
		{"join prod-eu --context prod-eu-admin", "✗ hub            read the version of Kubernetes: https://127.0.0.1:1 cannot be reached"},
		{"join --all-contexts", "need --manifests"},
		{"join --manifests x", "--manifests needs --all-contexts or --contexts"},
		{"join prod-eu --all-contexts --manifests x", "and no name"},
		{"join --all-contexts --contexts hub --manifests x", "cannot both be set"},
		{"join --contexts other --manifests x", `no context "other"; it has hub, prod-eu-admin`},
		{"join --all-contexts --manifests x --dry-run=client", "--dry-run has no effect with --manifests"},
		{"join --token-file - --hub-address wss://hub:1", "--hub-address has no effect with --token-file"},
		{"join --token-file /does/not/exist", "read the join token: open /does/not/exist"},
		{"rotate-key prod-eu", `required flag(s) "context" not set`},
	} {
		if out := runOffline(t, "", strings.Fields(tc.args)...); !strings.Contains(out, tc.want) {
			t.Errorf("%s: got %s, want %s", tc.args, out, tc.want)
		}
	}
}

func TestJoinTokenOnStandardInput(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	token := func(expires time.Duration) string {
		token, err := jointoken.New("prod-eu", "wss://hub.example:443", public, time.Now().Add(expires))
		if err != nil {
			t.Fatal(err)
		}
		return token.Encode()
	}
	for _, tc := range []struct{ name, stdin, args, want string }{
		{"nothing", "", "join --token-file -", "the join token is empty"},
		{"half a token", token(time.Hour)[:100], "join --token-file -", "incomplete"},
		{"another name", token(time.Hour), "join prod-us --token-file -", "the token is for prod-eu, not prod-us"},
		{"expired", token(-time.Hour), "join --token-file - --context prod-eu-admin", "→ ask the administrator of the hub for another one: kubectl rollcall token create prod-eu"},
		{"valid", token(time.Hour), "join --token-file - --context prod-eu-admin", "✓ token          prod-eu joins the hub at wss://hub.example:443"},
	} {
		out := runOffline(t, tc.stdin, strings.Fields(tc.args)...)
		if !strings.Contains(out, tc.want) {
			t.Errorf("%s: got %s, want %s", tc.name, out, tc.want)
		}
		if strings.Contains(out, jointoken.Prefix+"e") {
			t.Errorf("%s: the token is printed:\n%s", tc.name, out)
		}
	}
}
