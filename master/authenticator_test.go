package master

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"rollcall.dev/rollcall/test/kube"
)

// as makes a client with a certificate of the hub's.
func (r *testMaster) as(cluster *kube.Cluster, user string, groups ...string) {
	r.t.Helper()
	config, _, err := cluster.User(user, groups...)
	if err != nil {
		r.t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(config.CertData, config.KeyData)
	if err != nil {
		r.t.Fatal(err)
	}
	r.client.Transport.(*http.Transport).TLSClientConfig.Certificates = []tls.Certificate{pair}
}

func TestHubAuthorizesClients(t *testing.T) {
	cluster := hub(t)
	r := start(t, cluster, func(c *Config) { c.Auth, c.LeaderElect = AuthKubernetes, false })
	r.waitForStatus("/readyz", http.StatusOK)
	for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/nowhere", "/metrics"} {
		if status, words := r.get(path); status != http.StatusUnauthorized {
			t.Errorf("%s without credentials: %d %s; want 401", path, status, words)
		}
	}
	r.as(cluster, "nobody")
	if words := r.waitForStatus("/api/v1/clusters", http.StatusForbidden); !strings.Contains(words, "rollcall-viewer") {
		t.Errorf("refused with %s, want what allows it", words)
	}
	r.as(cluster, "admin", "system:masters")
	r.waitForStatus("/api/v1/clusters", http.StatusOK)
	r.waitForStatus("/metrics", http.StatusOK)
	r.waitForStatus("/api/v1/clusters/nowhere", http.StatusNotFound)
	if strings.Contains(r.log.String(), "anyone who reaches this master") {
		t.Errorf("it warns of --auth none:\n%s", r.log)
	}
}

func TestUnreadableClientCA(t *testing.T) {
	c := Default()
	c.Kubeconfig, c.Listen, c.ClientCAFile = hub(t).Kubeconfig, "127.0.0.1:0", "/nonexistent/ca.crt"
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "/nonexistent/ca.crt") {
		t.Errorf("got %v, want the file that cannot be read", err)
	}
}
