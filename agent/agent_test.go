package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/api/token"
	"rollcall.dev/rollcall/api/wire"
	"rollcall.dev/rollcall/test/flood"
	"rollcall.dev/rollcall/test/kube"
)

func TestMain(m *testing.M) {
	flood.Main()
	goleak.VerifyTestMain(kube.Main(m))
}

// testTimeout limits the time to wait for an agent. It is long, because the machine may be busy.
const testTimeout = time.Minute

// runningAgent is an agent in the process of the test.
type runningAgent struct {
	t         *testing.T
	addresses Addresses
	stop      context.CancelFunc
	result    chan error
	client    *http.Client
	// signer signs the SubscribeRequests of dial. If it is nil, they have no signature.
	signer *token.Signer
}

// startAgent starts an agent on unused ports and stops it at the end of the test.
func startAgent(t *testing.T, edit func(*Config)) *runningAgent {
	t.Helper()
	cfg := Default()
	cfg.ClusterName, cfg.Version = "member", "v0.1.0"
	cfg.Listen, cfg.MetricsListen, cfg.Auth = "127.0.0.1:0", "127.0.0.1:0", AuthNone
	edit(&cfg)
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningAgent{t: t, stop: cancel, result: make(chan error, 1)}
	r.client = &http.Client{Timeout: testTimeout, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
	listening := make(chan Addresses, 1)
	cfg.OnListening = func(a Addresses) { listening <- a }
	go func() { r.result <- Run(ctx, cfg) }()
	select {
	case r.addresses = <-listening:
	case err := <-r.result:
		t.Fatalf("Run: %v", err)
	}
	t.Cleanup(func() { r.stopAndWait() })
	return r
}

// stopAndWait stops the agent and waits until Run returns. A second call does nothing.
func (r *runningAgent) stopAndWait() {
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
		r.t.Error("Run did not return within 10s")
	}
	r.result = nil
}

// get returns the status and the body of a GET request.
func (r *runningAgent) get(url string) (int, string) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := r.client.Do(request)
	if err != nil {
		r.t.Fatalf("get %s: %v", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// waitReadyz waits until /readyz responds with a status, and returns the body.
func (r *runningAgent) waitReadyz(scheme string, status int) string {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), testTimeout)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		got, body := r.get(scheme + "://" + r.addresses.Masters.String() + "/readyz")
		if got == status {
			return body
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			r.t.Fatalf("/readyz: got status %d and %q, want status %d", got, body, status)
		}
	}
}

// startSecureAgent starts an agent with AuthToken and a certificate that its client pins. It returns the agent and the
// signer whose key the agent accepts.
func startSecureAgent(t *testing.T, edit func(*Config)) (*runningAgent, *token.Signer) {
	t.Helper()
	dir := t.TempDir()
	pin, err := GenerateCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := token.WriteKeyPair(filepath.Join(dir, "master"), key); err != nil {
		t.Fatal(err)
	}
	a := startAgent(t, func(c *Config) {
		c.Auth, c.MasterPublicKeyFiles = AuthToken, []string{filepath.Join(dir, "master.pub")}
		c.TLSCertFile, c.TLSKeyFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
		edit(c)
	})
	a.client.Transport.(*http.Transport).TLSClientConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		cert, err := x509.ParseCertificate(raw[0])
		if err == nil && tlsfiles.Pin(cert) != pin {
			err = errors.New("the certificate is not the pinned one")
		}
		return err
	}
	a.signer = token.NewSigner(key)
	return a, a.signer
}

func TestAgentReportsClusterToAuthenticatedMaster(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	uid, err := cluster.UID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a, signer := startSecureAgent(t, func(c *Config) {
		c.Kubeconfig, c.UsagePeriod = cluster.Kubeconfig, time.Second
		c.MinRequestPeriod, c.MaxSession = 2*time.Second, 10*time.Minute
	})
	a.waitReadyz("https", http.StatusOK)
	signed, err := signer.Sign("member", "m1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := a.dial("wss", http.Header{"Authorization": {"Bearer " + signed}}, time.Second, time.Hour)
	if i := m.granted.Identity; i.ClusterName != "member" || i.ClusterUID != uid || !strings.HasPrefix(i.KubernetesVersion, "v1.") || i.AgentVersion != "v0.1.0" {
		t.Errorf("got identity %+v, want cluster member with UID %s", i, uid)
	}
	if m.granted.Period != 2*time.Second || m.granted.Duration != 10*time.Minute {
		t.Errorf("got %+v, want a period of 2s and a duration of 10m", m.granted)
	}
	m.waitState("usage Unavailable", usageReason("Unavailable"))
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "new-"}}
	node, err = cluster.Client().CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m.waitState("the new node", func(s *state.State) bool {
		_, ok := s.Get(state.Key{Kind: state.KindNode, Name: node.Name})
		return ok
	})
	if _, page := a.get("http://" + a.addresses.Metrics.String() + "/metrics"); !strings.Contains(page, "\nrollcall_agent_sessions 1\n") || !strings.Contains(page, "\ngo_goroutines ") {
		t.Errorf("got metrics without rollcall_agent_sessions 1 or go_goroutines: %s", page)
	}
	a.stop()
	m.wantEnd(wire.EndShuttingDown)
	a.stopAndWait()
}

func TestInsecureAgentServesPlainWebsockets(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	a := startAgent(t, func(c *Config) {
		c.Kubeconfig, c.Insecure, c.UsageSource, c.MetricsListen = cluster.Kubeconfig, true, UsageNone, ""
	})
	a.waitReadyz("http", http.StatusOK)
	if a.addresses.Metrics != nil {
		t.Errorf("metrics are served at %s, want no address", a.addresses.Metrics)
	}
	m := a.dial("ws", nil, time.Second, time.Minute)
	m.waitState("usage switched off", usageReason("Disabled"))
}

func TestNotReadyWhileAPIServerIsUnavailable(t *testing.T) {
	cluster := kube.Fresh(t, kube.Options{Name: "unavailable"})
	a := startAgent(t, func(c *Config) { c.Kubeconfig = cluster.Kubeconfig })
	a.waitReadyz("https", http.StatusOK)
	cluster.StopAPIServer()
	if body := a.waitReadyz("https", http.StatusServiceUnavailable); !strings.Contains(body, "Disconnected") {
		t.Errorf("/readyz: got %q, want the reason Disconnected", body)
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.waitReadyz("https", http.StatusOK)
}

func TestNotReadyIfAPIServerWasNeverReached(t *testing.T) {
	address := unusedAddress(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+address)
	t.Setenv("KUBECONFIG", kubeconfig)
	a := startAgent(t, func(*Config) {})
	if body := a.waitReadyz("https", http.StatusServiceUnavailable); !strings.Contains(body, "identity") || !strings.Contains(body, "pods: not read yet") {
		t.Errorf("/readyz: got %q, want problems of identity and pods", body)
	}
	if status, _ := a.get("https://" + a.addresses.Masters.String() + "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: got status %d, want 200", status)
	}
	status, body := a.get("https://" + a.addresses.Masters.String() + wire.Path)
	if status != http.StatusBadRequest && status != http.StatusServiceUnavailable {
		t.Errorf("%s: got status %d and %q, want 400 or 503", wire.Path, status, body)
	}
}

func TestRunErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	writeKubeconfig(t, kubeconfig, "http://"+busy.Addr().String())
	for name, tc := range map[string]struct {
		edit func(*Config)
		want string
	}{
		"no name":                {func(c *Config) { c.ClusterName = "" }, "--cluster-name"},
		"no kubeconfig":          {func(c *Config) { c.Kubeconfig = "/nonexistent" }, "load the kubeconfig of the member cluster"},
		"no key file":            {func(c *Config) { c.Auth, c.MasterPublicKeyFiles = AuthToken, []string{"/nonexistent/master.pub"} }, "read public key"},
		"no certificate":         {func(c *Config) { c.TLSCertFile, c.TLSKeyFile = "/nonexistent", "/nonexistent" }, "/nonexistent"},
		"address in use":         {func(c *Config) { c.Listen = busy.Addr().String() }, "serve masters"},
		"metrics address in use": {func(c *Config) { c.MetricsListen = busy.Addr().String() }, "serve metrics"},
	} {
		cfg := Default()
		cfg.ClusterName, cfg.Kubeconfig, cfg.Auth = "member", kubeconfig, AuthNone
		cfg.Listen, cfg.MetricsListen = "127.0.0.1:0", "127.0.0.1:0"
		tc.edit(&cfg)
		if err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want it to contain %q", name, err, tc.want)
		}
	}
}
