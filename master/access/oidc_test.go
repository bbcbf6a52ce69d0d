package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rollcall.dev/rollcall/test/kube"
)

// issuer is an OIDC provider that publishes its keys to API servers.
type issuer struct {
	*httptest.Server
	key *ecdsa.PrivateKey
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encoded := base64.RawURLEncoding.EncodeToString
	i := &issuer{key: key}
	serveJSON := func(value func() any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(value())
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/.well-known/openid-configuration", serveJSON(func() any {
		return map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys", "id_token_signing_alg_values_supported": []string{"ES256"}}
	}))
	mux.Handle("/keys", serveJSON(func() any {
		return map[string]any{"keys": []map[string]string{{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": encoded(point[1:33]), "y": encoded(point[33:])}}}
	}))
	i.Server = httptest.NewTLSServer(mux)
	t.Cleanup(i.Close)
	return i
}

// hub returns an API server that authenticates users by the issuer.
func (i *issuer) hub(t *testing.T) *kube.Cluster {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "issuer.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return kube.Fresh(t, kube.Options{Name: "oidc", APIServerFlags: []string{
		"--oidc-issuer-url=" + i.URL, "--oidc-client-id=rollcall", "--oidc-ca-file=" + ca, "--oidc-signing-algs=ES256", "--oidc-username-claim=sub", "--oidc-username-prefix=-",
	}})
}

// person returns a user with a token for the client rollcall.
func (i *issuer) person(t *testing.T, name string) client {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": i.URL, "aud": "rollcall", "sub": name, "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "1"
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return client{token: signed}
}

// TestOIDCTokensHaveTheAudienceOfTheAPIServer checks what docs/API.md says about --token-audiences:
// a token of an OIDC provider has the audience of the API server, whatever its aud claim is.
func TestOIDCTokensHaveTheAudienceOfTheAPIServer(t *testing.T) {
	i := newIssuer(t)
	cluster := i.hub(t)
	install(t, cluster)
	viewer := i.person(t, "viewer")
	for _, tc := range []struct {
		name      string
		audiences []string
		want      int
	}{
		{"the API server's own", nil, http.StatusOK},
		{"rollcall", []string{"rollcall"}, http.StatusUnauthorized},
		{"both", []string{"rollcall", "https://kubernetes.default.svc.cluster.local"}, http.StatusOK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			serve(t, cluster, func(c *Config) { c.TokenAudiences = tc.audiences }).waitForStatus(viewer, "/api/v1/clusters", tc.want)
		})
	}
}
