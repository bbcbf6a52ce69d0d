package plugin

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"rollcall.dev/rollcall/api/tlsfiles"
)

const masterName = "rollcall-master.rollcall-system.svc"

// hubWith returns the config of an API server with a ConfigMap with the CA, or without it if ca is
// empty.
func hubWith(t *testing.T, ca string) *rest.Config {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if ca == "" || r.URL.Path != "/api/v1/namespaces/rollcall-system/configmaps/rollcall-master-ca" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, Data: map[string]string{"ca.crt": ca}})
	}))
	t.Cleanup(api.Close)
	return &rest.Config{Host: api.URL}
}

func TestPublishedCAIsRead(t *testing.T) {
	pair, err := tlsfiles.SelfSigned("master", []string{masterName}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ published, want string }{{string(pair.Cert), string(pair.Cert)}, {"", ""}, {"not filled yet", ""}} {
		if got := readPublishedCA(t.Context(), hubWith(t, tc.published), masterNamespace); string(got) != tc.want {
			t.Errorf("published %.40q: got %.40q, want %.40q", tc.published, got, tc.want)
		}
	}
}

// TestMasterIsVerifiedByPublishedCA reaches a master as a port-forward does.
func TestMasterIsVerifiedByPublishedCA(t *testing.T) {
	pair, err := tlsfiles.SelfSigned("master", []string{masterName}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	other, err := tlsfiles.SelfSigned("another", []string{masterName}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pair.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	master := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	master.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	master.StartTLS()
	t.Cleanup(master.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, master.Listener.Addr().String())
	}
	for _, tc := range []struct {
		published []byte
		verified  bool
	}{{pair.Cert, true}, {other.Cert, false}} {
		c := &connection{publishedCA: tc.published}
		transport, err := c.transport(&rest.Config{}, dial)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(transport.close)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+masterName, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(request)
		if (err == nil) != tc.verified {
			t.Errorf("got error %v, want the certificate verified: %v", err, tc.verified)
		}
		if err == nil {
			answer.Body.Close()
		}
	}
}
