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
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	flood.Main()
	AdoptLogs(context.Background(), slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(kube.Main(m))
}

// patience is for what takes as long as it takes on a busy machine.
const testTimeout = time.Minute

// hub is an API server with the custom resources, and the namespace of the Lease.
func hub(t *testing.T) *kube.Cluster {
	t.Helper()
	cluster := kube.Shared(t, kube.Options{Name: "hub"})
	if out, err := cluster.Kubectl("apply", "--server-side", "-k", "../config/crd"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := cluster.Kubectl("wait", "--for=condition=Established", "crd", "clusteragents.rollcall.dev", "clusterstatuses.rollcall.dev"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: defaultNamespace}}
	if _, err := cluster.Client().CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	return cluster
}

// running is a master that runs.
type testMaster struct {
	t      *testing.T
	url    string
	log    *lockedBuffer
	stop   context.CancelFunc
	result chan error
	client *http.Client
}

// start runs a master of the hub on a free port; it is stopped with the test.
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

// ended stops the master and waits for it; a second time does nothing.
func (r *testMaster) shutdown() {
	r.t.Helper()
	r.stop()
	if r.result == nil {
		return
	}
	select {
	case err := <-r.result:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
	case <-time.After(10 * time.Second):
		r.t.Error("the master did not end within 10s")
	}
	r.result = nil
}

func (r *testMaster) get(path string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		r.t.Fatalf("get %s: %v", path, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// becomes waits until a path is answered with a status, and gives the words.
func (r *testMaster) waitForStatus(path string, status int) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, words := r.get(path)
		if got == status {
			return words
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.t.Fatalf("%s: %d %s; want %d\n%s", path, got, words, status, r.log)
		}
	}
}

// lockedBuffer is a log that is read while it is written.
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

// register makes a ClusterAgent that lasts as long as the test.
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
	if words := r.waitForStatus("/readyz", http.StatusOK); words != "[+] registry: ok\n[+] leader: ok\n" {
		t.Errorf("readyz says %q", words)
	}
	if status, words := r.get("/api/v1/clusters/nowhere"); status != http.StatusNotFound || !strings.Contains(words, "kubectl get clusteragents") {
		t.Errorf("a cluster that is not there: %d %s", status, words)
	}
	register(t, cluster, "dead-end", `{endpoint: "wss://127.0.0.1:1", clusterIPs: ["203.0.113.7"]}`)
	r.waitForStatus("/api/v1/clusters/dead-end", http.StatusServiceUnavailable)
	words := r.waitForStatus("/api/v1/clusters/203.0.113.7/ports", http.StatusServiceUnavailable)
	var problem struct{ Reason, Cluster, LastError string }
	if err := json.Unmarshal([]byte(words), &problem); err != nil || problem.Reason != "DialFailed" || problem.Cluster != "dead-end" || problem.LastError == "" {
		t.Errorf("an agent that is not there: %s, %v; want DialFailed of dead-end", words, err)
	}
	if status, words := r.get("/api/v1/clusters"); status != http.StatusOK || !strings.Contains(words, `"name":"dead-end","clusterIPs":["203.0.113.7"]`) {
		t.Errorf("the list: %d %s", status, words)
	}
	_, page := r.get("/metrics")
	for _, want := range []string{"\nrollcall_http_requests_total{", "\ngo_goroutines ", "\ncontroller_runtime_reconcile_total{"} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(page, "dead-end") || strings.Contains(page, "203.0.113.7") {
		t.Error("metrics name a cluster: who may read them may not see all of them")
	}
	r.shutdown()
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, "level=INFO") || strings.Contains(line, "level=ERROR") {
			t.Errorf("not quiet: %s", line)
		}
	}
}

func TestLeaderFailover(t *testing.T) {
	cluster := hub(t)
	first := start(t, cluster, func(*Config) {})
	first.waitForStatus("/readyz", http.StatusOK)
	second := start(t, cluster, func(*Config) {})
	second.waitForStatus("/healthz", http.StatusOK)
	for until := time.Now().Add(testTimeout); ; {
		words := second.waitForStatus("/readyz", http.StatusServiceUnavailable)
		if strings.Contains(words, "[-] leader: another replica leads") && strings.Contains(words, defaultNamespace+"/"+leaseName) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the second is not ready for %s", words)
		}
	}
	if status, words := second.get("/api/v1/clusters"); status != http.StatusServiceUnavailable || !strings.Contains(words, `"reason":"NotReady"`) {
		t.Errorf("the second answers %d %s", status, words)
	}
	alone := start(t, cluster, func(c *Config) { c.LeaderElect = false })
	alone.waitForStatus("/readyz", http.StatusOK)
	first.shutdown()
	second.waitForStatus("/readyz", http.StatusOK)
}

func TestMissingLeaseNamespace(t *testing.T) {
	cluster := hub(t)
	r := start(t, cluster, func(c *Config) { c.LeaderElectionNamespace = "not-there" })
	const want = "the Lease not-there/rollcall-master cannot be made, as the hub has no namespace not-there: create it"
	for until := time.Now().Add(testTimeout); ; {
		_, words := r.get("/api/v1/clusters")
		if strings.Contains(words, want) {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it answers %s; want: %s", words, want)
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
	for _, want := range []string{"INSECURE: serving plain HTTP", "INSECURE: agents may be dialed by plain ws", "--auth none", "dials carry no token"} {
		if !strings.Contains(r.log.String(), want) {
			t.Errorf("it does not warn of %q:\n%s", want, r.log)
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
		t.Fatalf("serves %q, want before", served)
	}
	write("renewed")
	deadline := time.Now().Add(testTimeout)
	for served != "renewed" && time.Now().Before(deadline) {
		r.get("/healthz")
	}
	if served != "renewed" {
		t.Errorf("serves %q after the files changed, want renewed", served)
	}
}

func TestUnavailableRedis(t *testing.T) {
	r := start(t, hub(t), func(c *Config) { c.Cache, c.LeaderElect = "redis://127.0.0.1:1", false })
	r.waitForStatus("/readyz", http.StatusOK)
	if status, _ := r.get("/api/v1/clusters"); status != http.StatusOK {
		t.Errorf("the list: %d", status)
	}
	if _, page := r.get("/metrics"); !strings.Contains(page, "\nrollcall_redis_up 0\n") {
		t.Error("metrics do not say that Redis is away")
	}
	if got := strings.Count(r.log.String(), "redis is unavailable"); got != 1 {
		t.Errorf("%d lines of it in the log, want one:\n%s", got, r.log)
	}
}

func TestMissingCustomResources(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "bare"})
	c := Default()
	c.Kubeconfig, c.Listen, c.Auth, c.LeaderElect = cluster.Kubeconfig, "127.0.0.1:0", AuthNone, false
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "ClusterAgent") {
		t.Errorf("got %v, want that there are no ClusterAgents", err)
	}
}
