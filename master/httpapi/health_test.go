package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestReadyzListsFailingChecks(t *testing.T) {
	var missing error
	api := shop(t).api(func(c *Config) {
		c.Ready = []Check{{"registry", func() error { return nil }}, {"leader", func() error { return missing }}}
	})
	ready := func(status int, want string) {
		t.Helper()
		if w := get(api, "/readyz"); w.Code != status || w.Body.String() != want {
			t.Errorf("readyz: got %d %s, want %d %s", w.Code, w.Body, status, want)
		}
		if w := get(api, "/healthz"); w.Code != http.StatusOK || w.Body.String() != "ok\n" {
			t.Errorf("healthz: got %d %s, want 200", w.Code, w.Body)
		}
	}
	ready(200, "[+] registry: ok\n[+] leader: ok\n")
	missing = errors.New("another replica leads")
	ready(503, "[+] registry: ok\n[-] leader: another replica leads\n")
	missing = nil
	api.Drain()
	ready(503, "[+] registry: ok\n[+] leader: ok\n[-] serving: the master is shutting down\n")
}

func TestRequestsAreRejectedUntilReady(t *testing.T) {
	f := shop(t)
	api := f.api(func(c *Config) {
		c.Ready = []Check{{"leader", func() error { return errors.New("another replica leads") }}}
	})
	const want = `{"title":"Service Unavailable","status":503,"reason":"NotReady","detail":"this master is not ready: leader: another replica leads"}` + "\n"
	for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/nowhere/pods"} {
		if w := get(api, path); w.Code != http.StatusServiceUnavailable || w.Body.String() != want || w.Header().Get("Retry-After") != "1" {
			t.Errorf("%s: got %d %s, want 503 %s", path, w.Code, w.Body, want)
		}
	}
	if len(f.Demanded) > 0 {
		t.Errorf("got demand for %v by rejected requests, want none", f.Demanded)
	}
}

func TestMetricsCountRequestsByRoute(t *testing.T) {
	api := shop(t).api(nil)
	get(api, "/api/v1/clusters/prod-eu/pods")
	get(api, "/api/v1/clusters/203.0.113.7/pods")
	get(api, "/api/v1/clusters/nowhere/pods")
	get(api, "/wp-login.php")
	page := get(api, "/metrics").Body.String()
	for _, want := range []string{
		`rollcall_http_requests_total{code="200",route="/api/v1/clusters/{cluster}/pods"} 2`,
		`rollcall_http_requests_total{code="404",route="/api/v1/clusters/{cluster}/pods"} 1`,
		`rollcall_http_requests_total{code="404",route="other"} 1`,
		`rollcall_http_request_duration_seconds_count{route="other"} 1`,
		`rollcall_http_requests_in_flight 1`,
		`rollcall_http_documents_bytes `,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("metrics lack %s:\n%s", want, page)
		}
	}
}

func TestVersionOfTheMaster(t *testing.T) {
	for want, c := range map[string]Config{
		`{"version":"v1.2.3"}` + "\n":              {Version: "v1.2.3"},
		`{"version":"v1.2.3","local":true}` + "\n": {Version: "v1.2.3", Local: true},
	} {
		api := shop(t).api(func(own *Config) { own.Version, own.Local = c.Version, c.Local })
		got := get(api, "/version")
		if got.Code != http.StatusOK || got.Body.String() != want || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("got %d %s, want %s, not to be cached", got.Code, got.Body, want)
		}
		if got := get(api, "/version?x=1"); got.Code != http.StatusBadRequest {
			t.Errorf("with an unknown parameter: got %d, want 400", got.Code)
		}
	}
}
