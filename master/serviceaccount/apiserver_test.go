package serviceaccount

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
)

// TestTokensOfARealAPIServer verifies tokens of a real API server, with the keys that it publishes, and with those that
// are read from it by OpenID discovery.
func TestTokensOfARealAPIServer(t *testing.T) {
	cluster := kube.Shared(t, kube.Options{Name: "member"})
	if _, err := cluster.Kubectl("create", "clusterrolebinding", "issuer-discovery", "--clusterrole=system:service-account-issuer-discovery", "--group=system:unauthenticated"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := cluster.Kubectl("delete", "clusterrolebinding/issuer-discovery", "serviceaccount/agent"); err != nil {
			t.Error(err)
		}
	})
	var config struct{ Issuer string }
	text, err := cluster.Kubectl("get", "--raw", "/.well-known/openid-configuration")
	if err == nil {
		err = json.Unmarshal([]byte(text), &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cluster.Kubectl("get", "--raw", "/openid/v1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	accounts := cluster.Client().CoreV1().ServiceAccounts("default")
	if _, err := accounts.Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "agent"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request := func(audience string, seconds int64) string {
		issued, err := accounts.CreateToken(t.Context(), "agent", &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{Audiences: []string{audience}, ExpirationSeconds: &seconds},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return issued.Status.Token
	}
	v := verifierOf(t, cluster)
	for what, keySet := range map[string]string{"published keys": keys, "discovery": ""} {
		account := Account{Issuer: config.Issuer, Subject: "system:serviceaccount:default:agent", Audience: "rollcall:hub:edge-1", KeySet: keySet}
		if err := v.Verify(t.Context(), request("rollcall:hub:edge-1", 3600), account); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for want, refused := range map[string]string{
			"its audience is":    request("rollcall:hub:edge-2", 3600),
			"it is valid for 2h": request("rollcall:hub:edge-1", 7200),
		} {
			if err := v.Verify(t.Context(), refused, account); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want %q", what, err, want)
			}
		}
		account.Subject = "system:serviceaccount:default:other"
		if err := v.Verify(t.Context(), request("rollcall:hub:edge-1", 3600), account); err == nil || !strings.Contains(err.Error(), "it is a token of") {
			t.Errorf("%s: got error %v, want that it is a token of another account", what, err)
		}
	}
}

// verifierOf returns a Verifier that reaches the issuer of a cluster at its API server.
func verifierOf(t *testing.T, cluster *kube.Cluster) *Verifier {
	t.Helper()
	server, err := url.Parse(cluster.Config().Host)
	if err != nil {
		t.Fatal(err)
	}
	v := New(Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, server.Host)
	}})
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.Config().CAData)
	v.discovery.client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: server.Hostname()}
	return v
}
