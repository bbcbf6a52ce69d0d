package plugin

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// hubForHints serves a hub that reviews access, and a master without clusters.
func hubForHints(t *testing.T, mayList bool) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews") {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%t}}`, mayList)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"status":404,"reason":"NotFound","detail":"cluster \"x\" not found"}`)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// runAt runs the plugin with a kubeconfig of a server, which is the master too.
func runAt(t *testing.T, server *httptest.Server, getenv func(string) string, args ...string) string {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: "%s", insecure-skip-tls-verify: true}}], users: [{name: u, user: {token: t}}]}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	Run(t.Context(), Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}, Getenv: getenv}, append([]string{"--kubeconfig", kubeconfig, "--server", server.URL}, args...))
	return out.String()
}

func TestHintForAnUntrustedCertificate(t *testing.T) {
	server := hubForHints(t, true)
	if out := runAt(t, server, nil, "status", "x"); !strings.Contains(out, "hint: set --certificate-authority or $ROLLCALL_CERTIFICATE_AUTHORITY") || !strings.Contains(out, `configmap rollcall-master-ca -o jsonpath='{.data.ca\.crt}'`) {
		t.Errorf("got %s", out)
	}
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{caFileEnv: ca}[name] }
	if out := runAt(t, server, getenv, "status", "x"); strings.Contains(out, "certificate") || !strings.Contains(out, "NotFound") {
		t.Errorf("with the variable: got %s", out)
	}
	if out := runAt(t, server, getenv, "status", "x", "--tls-server-name", "other.example"); !strings.Contains(out, "hint: set --tls-server-name") {
		t.Errorf("with another name: got %s", out)
	}
}

func TestHintForAnUnknownClusterDependsOnRights(t *testing.T) {
	for mayList, want := range map[bool]string{true: "hint: `kubectl get clusteragents` lists", false: "hint: `kubectl rollcall status` lists"} {
		server := hubForHints(t, mayList)
		for _, args := range [][]string{{"status", "x"}, {"nodes", "x"}, {"nodes", "x", "y"}} {
			if out := runAt(t, server, nil, append(args, "--insecure-skip-tls-verify")...); strings.Count(out, want) != 1 || strings.Count(out, "hint") != 1 {
				t.Errorf("may list: %t, %q: got %s", mayList, args, out)
			}
		}
	}
}
