package master

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/keysecret"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	flood.Main()
	AdoptLogs(context.Background(), slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(kube.Main(m))
}

// testTimeout limits waiting for conditions, also on a busy machine.
const testTimeout = time.Minute

// hub returns an API server with the custom resources and the namespace of the Lease.
func hub(t *testing.T) *kube.Cluster {
	t.Helper()
	cluster := kube.Shared(t, kube.Options{Name: "hub"})
	if out, err := cluster.Kubectl("apply", "--server-side", "-k", "../config/crd"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := cluster.Kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: keysecret.DefaultNamespace}}
	if _, err := cluster.Client().CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	return cluster
}

// testMaster is a running master.
type testMaster struct {
	t      *testing.T
	url    string
	log    *lockedBuffer
	stop   context.CancelFunc
	result chan error
	client *http.Client
}

// start starts a master of the hub on a free port. It is stopped at the end of the test.
func start(t *testing.T, cluster *kube.Cluster, edit func(*Config)) *testMaster {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &testMaster{t: t, log: &lockedBuffer{}, stop: cancel, result: make(chan error, 1)}
	r.client = &http.Client{Timeout: testTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	c := Default()
	c.Kubeconfig, c.Listen, c.Auth, c.DialLoopback = cluster.Kubeconfig, "127.0.0.1:0", AuthNone, true
	c.Log = slog.New(slog.NewTextHandler(r.log, nil))
	edit(&c)
	listening := make(chan net.Addr, 1)
	c.Listening = func(a net.Addr) { listening <- a }
	go func() { r.result <- Run(ctx, c) }()
	select {
	case a := <-listening:
		r.url = "https://" + a.String()
		if c.Insecure {
			r.url = "http://" + a.String()
		}
	case err := <-r.result:
		t.Fatalf("Run: %v", err)
	}
	t.Cleanup(r.shutdown)
	return r
}

// shutdown stops the master and waits until it has ended. A second call does nothing.
func (r *testMaster) shutdown() {
	r.t.Helper()
	r.stop()
	if r.result == nil {
		return
	}
	select {
	case err := <-r.result:
		if err != nil {
			r.t.Errorf("Run: got error %v, want none", err)
		}
	case <-time.After(10 * time.Second):
		r.t.Error("the master did not end within 10 s")
	}
	r.result = nil
}

func (r *testMaster) get(path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		r.t.Fatalf("get %s: %v", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// waitForStatus requests a path until the response has the status, and returns its body.
func (r *testMaster) waitForStatus(path string, status int) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, body := r.get(path)
		if got == status {
			return body
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.t.Fatalf("%s: got %d %s, want %d\n%s", path, got, body, status, r.log)
		}
	}
}

// lockedBuffer is a buffer that is safe for concurrent use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// register creates a ClusterAgent and deletes it at the end of the test.
func register(t *testing.T, cluster *kube.Cluster, name, spec string) {
	t.Helper()
	manifest := fmt.Sprintf("apiVersion: rollcall.dev/v1alpha1\nkind: ClusterAgent\nmetadata: {name: %s}\nspec: %s\n", name, spec)
	if out, err := cluster.KubectlInput(manifest, "apply", "-f", "-"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := cluster.Kubectl("delete", "clusteragent", name, "--ignore-not-found"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestMasterServesRegisteredClusters(t *testing.T) {
	cluster := hub(t)
	r := start(t, cluster, func(*Config) {})
	if body := r.waitForStatus("/readyz", http.StatusOK); body != "[+] registry: ok\n[+] leader: ok\n" {
		t.Errorf("readyz: got %q, want both checks ok", body)
	}
	if status, body := r.get("/api/v1/clusters/nowhere"); status != http.StatusNotFound || !strings.Contains(body, "GET /api/v1/clusters lists") {
		t.Errorf("unknown cluster: got %d %s, want 404 that says how to list clusters", status, body)
	}
	register(t, cluster, "dead-end", `{endpoint: "wss://127.0.0.1:1", clusterIPs: ["203.0.113.7"]}`)
	r.waitForStatus("/api/v1/clusters/dead-end", http.StatusServiceUnavailable)
	body := r.waitForStatus("/api/v1/clusters/203.0.113.7/ports", http.StatusServiceUnavailable)
	var problem struct{ Reason, Cluster, LastError string }
	if err := json.Unmarshal([]byte(body), &problem); err != nil || problem.Reason != "DialFailed" || problem.Cluster != "dead-end" || problem.LastError == "" {
		t.Errorf("agent that does not run: got %s, error %v; want DialFailed of dead-end", body, err)
	}
	if status, body := r.get("/api/v1/clusters"); status != http.StatusOK || !strings.Contains(body, `"name":"dead-end","clusterIPs":["203.0.113.7"]`) {
		t.Errorf("list of clusters: got %d %s, want 200 and dead-end with its address", status, body)
	}
	_, page := r.get("/metrics")
	for _, want := range []string{"\nrollcall_http_requests_total{", "\ngo_goroutines ", "\ncontroller_runtime_reconcile_total{"} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics do not contain %s", want)
		}
	}
	if strings.Contains(page, "dead-end") || strings.Contains(page, "203.0.113.7") {
		t.Error("metrics contain the name of a cluster: clients that may read metrics may not be allowed to see all clusters")
	}
	r.shutdown()
	var infos []string
	for line := range strings.Lines(r.log.String()) {
		switch {
		case strings.Contains(line, "level=ERROR"):
			t.Errorf("got log line %s, want no errors", line)
		case strings.Contains(line, "level=INFO"):
			_, message, _ := strings.Cut(line, "msg=")
			infos = append(infos, message)
		}
	}
	if len(infos) != 2 || !strings.HasPrefix(infos[0], "serving version=") || !strings.Contains(infos[1], "this master leads") {
		t.Errorf("got log lines %q, want where the master serves and that it leads", infos)
	}
}

func TestLeaderFailover(t *testing.T) {
	cluster := hub(t)
	first := start(t, cluster, func(*Config) {})
	first.waitForStatus("/readyz", http.StatusOK)
	second := start(t, cluster, func(*Config) {})
	second.waitForStatus("/healthz", http.StatusOK)
	for until := time.Now().Add(testTimeout); ; {
		body := second.waitForStatus("/readyz", http.StatusServiceUnavailable)
		if strings.Contains(body, "[-] leader: another replica leads") && strings.Contains(body, keysecret.DefaultNamespace+"/"+leaseName) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("readiness of the second replica: got %s", body)
		}
	}
	if status, body := second.get("/api/v1/clusters"); status != http.StatusServiceUnavailable || !strings.Contains(body, `"reason":"NotReady"`) {
		t.Errorf("second replica: got %d %s, want 503 NotReady", status, body)
	}
	alone := start(t, cluster, func(c *Config) { c.LeaderElect = false })
	alone.waitForStatus("/readyz", http.StatusOK)
	first.shutdown()
	second.waitForStatus("/readyz", http.StatusOK)
}

func TestMissingLeaseNamespace(t *testing.T) {
	cluster := hub(t)
	r := start(t, cluster, func(c *Config) { c.LeaderElectionNamespace = "not-there" })
	const want = "the Lease not-there/rollcall-master cannot be created, as the hub has no namespace not-there: create it"
	for until := time.Now().Add(testTimeout); ; {
		_, body := r.get("/api/v1/clusters")
		if strings.Contains(body, want) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("got %s, want %s", body, want)
		}
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "not-there"}}
	if _, err := cluster.Client().CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.waitForStatus("/readyz", http.StatusOK)
}

func TestInsecureMasterServesPlainHTTP(t *testing.T) {
	r := start(t, hub(t), func(c *Config) { c.Insecure, c.LeaderElect = true, false })
	r.waitForStatus("/readyz", http.StatusOK)
	for _, want := range []string{"INSECURE: serving plain HTTP", "INSECURE: agents may be dialed over plain ws", "--auth none", "agents are dialed without a token"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("got no warning %q:\n%s", want, r.log)
		}
	}
}

func TestCertificateReload(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(name string) {
		t.Helper()
		pair, err := tlsfiles.SelfSigned(name, []string{"localhost"}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		for file, content := range map[string][]byte{certFile: pair.Cert, keyFile: pair.Key} {
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("before")
	r := start(t, hub(t), func(c *Config) { c.TLSCertFile, c.TLSKeyFile, c.LeaderElect = certFile, keyFile, false })
	served := ""
	r.client.Transport.(*http.Transport).TLSClientConfig.VerifyConnection = func(s tls.ConnectionState) error {
		served = s.PeerCertificates[0].Subject.CommonName
		return nil
	}
	if r.get("/healthz"); served != "before" {
		t.Fatalf("got certificate %q, want before", served)
	}
	write("renewed")
	deadline := time.Now().Add(testTimeout)
	for served != "renewed" && time.Now().Before(deadline) {
		r.get("/healthz")
	}
	if served != "renewed" {
		t.Errorf("got certificate %q after the files changed, want renewed", served)
	}
}

func TestUnavailableRedis(t *testing.T) {
	r := start(t, hub(t), func(c *Config) { c.Cache, c.LeaderElect = "redis://127.0.0.1:1", false })
	r.waitForStatus("/readyz", http.StatusOK)
	if status, _ := r.get("/api/v1/clusters"); status != http.StatusOK {
		t.Errorf("list of clusters: got %d, want 200", status)
	}
	if _, page := r.get("/metrics"); !strings.Contains(page, "\nrollcall_redis_up 0\n") {
		t.Error("metrics do not report that Redis is unavailable")
	}
	if got := strings.Count(r.log.String(), "redis is unavailable"); got != 1 {
		t.Errorf("got %d log lines about Redis, want one:\n%s", got, r.log)
	}
}

func TestMissingCustomResources(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "bare"})
	c := Default()
	c.Kubeconfig, c.Listen, c.Auth, c.LeaderElect = cluster.Kubeconfig, "127.0.0.1:0", AuthNone, false
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ClusterAgent") {
		t.Errorf("got %v, want an error about the missing ClusterAgent", err)
	}
}
