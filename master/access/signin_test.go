package access

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"rollcall.dev/rollcall/test/kube"
)

// browse sends a request as a browser would. cookie may be nil.
func (s *apiServer) browse(method, path, body string, cookie *http.Cookie) *http.Response {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Origin", s.url)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if cookie != nil {
		request.AddCookie(cookie)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: testTimeout}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}

// boundSecret is the Secret that a token is bound to.
const boundSecret = "browser"

// boundToken returns a token that is valid as long as the Secret exists.
func boundToken(t *testing.T, cluster *kube.Cluster) string {
	t.Helper()
	secret, err := cluster.Client().CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: boundSecret}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Secret", APIVersion: "v1", Name: boundSecret, UID: secret.UID},
	}}
	made, err := cluster.Client().CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "viewer", request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made.Status.Token
}

func TestBrowserSession(t *testing.T) {
	const session = "/api/v1/session"
	cluster := hub(t)
	api := serve(t, cluster, func(*Config) {})
	account := token(t, cluster)
	api.waitForStatus(account, "/api/v1/clusters", http.StatusOK)
	short := boundToken(t, cluster)
	in := api.browse(http.MethodPost, session, `{"token":"`+short+`"}`, nil)
	if in.StatusCode != http.StatusOK || len(in.Cookies()) != 1 {
		t.Fatalf("sign in: got %s %v, want 200 and one cookie", in.Status, in.Header)
	}
	cookie := in.Cookies()[0]
	if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || strings.Contains(short, cookie.Value) {
		t.Errorf("got cookie %s, want Secure, HttpOnly, SameSite=Strict and a value that is not the token", cookie)
	}
	for path, want := range map[string]int{session: 200, "/api/v1/clusters": 200, "/api/v1/clusters/prod-eu": statusVisible, "/metrics": 403} {
		if got := api.browse(http.MethodGet, path, "", cookie); got.StatusCode != want {
			t.Errorf("%s: got %s, want %d", path, got.Status, want)
		}
	}
	again := api.browse(http.MethodPost, session, `{"token":"`+account.token+`"}`, nil).Cookies()[0]
	if got := api.browse(http.MethodDelete, session, "", again); got.StatusCode != http.StatusNoContent {
		t.Errorf("sign out: got %s, want 204", got.Status)
	}
	if got := api.browse(http.MethodGet, session, "", again); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("after sign out: got %s, want 401", got.Status)
	}
	if got := api.browse(http.MethodPost, session, `{"token":"garbage"}`, nil); got.StatusCode != http.StatusUnauthorized || len(got.Cookies()) > 0 {
		t.Errorf("invalid token: got %s and cookies %v, want 401 and none", got.Status, got.Cookies())
	}
	if err := cluster.Client().CoreV1().Secrets("default").Delete(t.Context(), boundSecret, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(testTimeout)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for api.browse(http.MethodGet, session, "", cookie).StatusCode == http.StatusOK {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the session is still valid after its token was revoked, want 401")
		}
	}
}
