package plugin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// planted are secrets that the fake hub and master have in all places. None may be in a bundle.
var planted = map[string]string{
	"kubeconfig": "kubeconfig-t0ken-7f3a9c", "flag": "flag-t0ken-5d2e8b", "redis": "redis-passw0rd-1c4f", "sink": "sink-t0ken-9e7d", "env": "env-s3cret-6b5a",
	"bearer": "bearer-t0ken-3f2e1d", "ca": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUI", "annotation": "annotation-s3cret-8c9b",
	"jwt": "eyJhbGciOiJSUzI1NiIsImtpZCI6InRlc3QifQ.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLW9mLXRlc3Q", "key": "MC4CAQAwBQYDK2VwBCIEIHBsYW50ZWQta2V5", "yaml": "yaml-passw0rd-2d1f",
}

// fakeHubAndMaster serves what a bundle reads, with the planted secrets.
func fakeHubAndMaster(t *testing.T) *httptest.Server {
	t.Helper()
	pem := `-----BEGIN PRIVATE KEY-----\n` + planted["key"] + `\n-----END PRIVATE KEY-----`
	noise := fmt.Sprintf(`"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{%s}","note":"password: %s"},"managedFields":[{"manager":"x"}]`, planted["annotation"], planted["yaml"])
	answers := map[string]string{
		"/version": `{"gitVersion":"v1.36.3"}`,
		"/apis/rollcall.dev/v1alpha1/clusteragents": fmt.Sprintf(`{"items":[{"metadata":{"name":"prod-eu",%s},"spec":{"endpoint":"wss://agent.prod-eu.example:7443","tls":{"caBundle":"%s","pinnedSHA256":["132b"]}},
			"status":{"conditions":[{"type":"Ready","status":"False","reason":"Unauthorized","message":"the agent at 198.51.100.7:7443 and [2001:db8::7]:7443 answered Bearer %s"}]}}]}`, noise, planted["ca"], planted["bearer"]),
		"/apis/rollcall.dev/v1alpha1/clusterstatuses":                           `{"items":[{"metadata":{"name":"prod-eu"}}]}`,
		"/api/v1/namespaces/default/events":                                     fmt.Sprintf(`{"items":[{"reason":"DialFailed","note":"%s"}]}`, planted["jwt"]),
		"/api/v1/namespaces/rollcall-system/events":                             `{"items":[]}`,
		"/api/v1/namespaces/rollcall-system/services":                           `{"items":[]}`,
		"/apis/networking.k8s.io/v1/namespaces/rollcall-system/networkpolicies": `{"items":[]}`,
		"/apis/apps/v1/namespaces/rollcall-system/deployments":                  fmt.Sprintf(`{"items":[{"metadata":{"name":"rollcall-master"},"spec":{"note":"%s"}}]}`, pem),
		"/api/v1/namespaces/rollcall-system/pods": fmt.Sprintf(`{"items":[{"metadata":{"name":"rollcall-master-1"},"spec":{"containers":[{"args":["--cache=rediss://user:%s@redis:6379","--sink=influxdb+https://i?org=o&token=%s&bucket=b","--log-level=debug"],
			"env":[{"name":"PASSWORD","value":"%s"},{"name":"GOMEMLIMIT","value":"900MiB"}]}]}}]}`, planted["redis"], planted["sink"], planted["env"]),
		"/api/v1/namespaces/rollcall-system/pods/rollcall-master-1/log": fmt.Sprintf("level=INFO msg=serving\nAuthorization: Bearer %s\ntoken=%s\n%s\n", planted["bearer"], planted["flag"], strings.ReplaceAll(pem, `\n`, "\n")),
		"/metrics":         "rollcall_http_requests_total{route=\"/metrics\",code=\"200\"} 7\n# " + planted["kubeconfig"] + "\n",
		"/api/v1/clusters": fmt.Sprintf(`{"clusters":[{"name":"prod-eu","session":{"phase":"Backoff","message":"redis://x:%s@y"}}],"resourceVersion":"1"}`, planted["redis"]),
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, ok := answers[r.URL.Path]
		switch {
		case strings.Contains(r.URL.Path, "secrets"):
			t.Errorf("the bundle asks for %s", r.URL.Path)
			w.WriteHeader(http.StatusForbidden)
		case !ok, r.URL.Query().Get("previous") == "true":
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"%s is forbidden, token: %s"}`, r.URL.Path, planted["flag"])
		default:
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, answer)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// writeBundle runs the command and returns the files of the archive, and its path.
func writeBundle(t *testing.T, server *httptest.Server, args ...string) (files map[string]string, archive, output string) {
	t.Helper()
	dir := t.TempDir()
	kubeconfig := filepath.Join(dir, "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], clusters: [{name: c, cluster: {server: "%s"}}], users: [{name: u, user: {token: %s}}]}`, server.URL, planted["kubeconfig"])
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	archive = filepath.Join(dir, "bundle.tar.gz")
	var out bytes.Buffer
	code := Run(t.Context(), Config{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &out, ErrOut: &out}, Version: "kubectl-rollcall version test\n"},
		append([]string{"support-bundle", "--kubeconfig", kubeconfig, "--server", server.URL, "--token", planted["flag"], "-f", archive}, args...))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, out.String())
	}
	return readArchive(t, archive), archive, out.String()
}

func readArchive(t *testing.T, archive string) map[string]string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for reader := tar.NewReader(compressed); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(header.Name, "rollcall-support-bundle/")] = string(text)
	}
}

func TestSupportBundleHasNoSecrets(t *testing.T) {
	files, archive, output := writeBundle(t, fakeHubAndMaster(t))
	for file, text := range files {
		for place, secret := range planted {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the secret of %s:\n%s", file, place, text)
			}
		}
	}
	for file, want := range map[string][]string{
		"version.txt": {"kubectl-rollcall version test"}, "hub-version.json": {"v1.36.3"},
		"clusteragents.yaml":                {"name: prod-eu", "reason: Unauthorized", "198.51.100.7", "132b", "wss://agent.prod-eu.example:7443"},
		"clusterstatuses.yaml":              {"prod-eu"},
		"events.yaml":                       {"DialFailed"},
		"master/pods.yaml":                  {"--log-level=debug", "900MiB", "--cache=rediss://[REDACTED]@redis:6379", "bucket=b"},
		"master/deployments.yaml":           {"rollcall-master"},
		"master/logs/rollcall-master-1.log": {"msg=serving"},
		"master/metrics.txt":                {"rollcall_http_requests_total"},
		"master/clusters.json":              {"Backoff"},
		"errors.txt":                        {"master/leases.yaml"},
	} {
		for _, words := range want {
			if !strings.Contains(files[file], words) {
				t.Errorf("%s has no %q:\n%s", file, words, files[file])
			}
		}
	}
	if info, err := os.Stat(archive); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want a file that only its owner reads", info.Mode(), err)
	}
	if !strings.Contains(output, "1 could not be read") {
		t.Errorf("got the output %q", output)
	}
}

func TestSupportBundleWithoutAddresses(t *testing.T) {
	files, _, _ := writeBundle(t, fakeHubAndMaster(t), "--redact-addresses")
	for file, text := range files {
		for _, address := range []string{"198.51.100.7", "2001:db8::7", "agent.prod-eu.example", "127.0.0.1"} {
			if strings.Contains(text, address) {
				t.Errorf("%s has the address %s:\n%s", file, address, text)
			}
		}
	}
	if text := files["clusteragents.yaml"]; !strings.Contains(text, "wss://address-") || !strings.Contains(text, "name: prod-eu") {
		t.Errorf("got\n%s", text)
	}
}

func TestSupportBundleOverwritesNothing(t *testing.T) {
	server := fakeHubAndMaster(t)
	_, archive, _ := writeBundle(t, server)
	before, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := Run(t.Context(), Config{IOStreams: genericiooptions.IOStreams{Out: &out, ErrOut: &out}}, []string{"support-bundle", "--server", server.URL, "--kubeconfig", filepath.Join(filepath.Dir(archive), "kubeconfig"), "-f", archive})
	after, err := os.ReadFile(archive)
	if code != 1 || err != nil || !slices.Equal(before, after) || !strings.Contains(out.String(), "file exists") {
		t.Errorf("got exit code %d: %s", code, out.String())
	}
}

func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"password=hunter22 next":                    "password=[REDACTED] next",
		`{"clientSecret": "abc", "x": 1}`:           `{"clientSecret": "[REDACTED]", "x": 1}`,
		`{\"api_key\":\"abc\"}`:                     `{\"api_key\":\"[REDACTED]\"}`,
		"secretName: rollcall-master-signing-key":   "secretName: rollcall-master-signing-key",
		"  secret:\n    defaultMode: 420":           "  secret:\n    defaultMode: 420",
		`reviews{kind="token",outcome="allowed"}`:   `reviews{kind="token",outcome="allowed"}`,
		"--signing-key-file=/etc/signing.key":       "--signing-key-file=/etc/signing.key",
		"redis://redis:6379":                        "redis://redis:6379",
		"-----BEGIN RSA PRIVATE KEY-----\nabc\ncut": "[REDACTED]",
		"authorization: Basic dXNlcjpwYXNz":         "authorization: Basic [REDACTED]",
	} {
		if got := (&redactor{}).text(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
