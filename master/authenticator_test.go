package master

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"rollcall.dev/rollcall/test/kube"
)

// as makes the client authenticate with a certificate for a user of the hub.
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
		if status, body := r.get(path); status != http.StatusUnauthorized {
			t.Errorf("%s without credentials: got %d %s, want 401", path, status, body)
		}
	}
	r.as(cluster, "nobody")
	if body := r.waitForStatus("/api/v1/clusters", http.StatusForbidden); !strings.Contains(body, "rollcall-viewer") {
		t.Errorf("got %s, want the role that allows it", body)
	}
	r.as(cluster, "admin", "system:masters")
	r.waitForStatus("/api/v1/clusters", http.StatusOK)
	r.waitForStatus("/metrics", http.StatusOK)
	r.waitForStatus("/api/v1/clusters/nowhere", http.StatusNotFound)
	if strings.Contains(r.log.String(), "anyone who reaches this master") {
		t.Errorf("got a warning about --auth none, want none:\n%s", r.log)
	}
}

func TestUnreadableClientCA(t *testing.T) {
	c := Default()
	c.Kubeconfig, c.Listen, c.ClientCAFile = hub(t).Kubeconfig, "127.0.0.1:0", "/nonexistent/ca.crt"
	if err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "/nonexistent/ca.crt") {
		t.Errorf("got %v, want an error with the path of the file", err)
	}
}
