package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestPageIsServedWithoutAuthentication(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("page " + r.URL.Path)) })
	f := shop(t)
	api := f.api(func(c *Config) {
		c.Page = page
		c.Authenticate = func(*http.Request) (Authorizer, error) { return nil, ErrUnauthenticated }
	})
	const browser, program = "text/html,application/xhtml+xml,*/*;q=0.8", "application/json"
	for _, tc := range []struct {
		path, accept string
		page         bool
	}{
		{"/", browser, true},
		{"/", "*/*", true},
		{"/assets/index-1.js", "*/*", true},
		{"/favicon.svg", "image/*", true},
		{"/clusters/prod-eu", browser, true},
		{"/clusters/prod-eu", program, false},
		{"/nowhere", program, false},
		{"/api", browser, false},
		{"/api/nowhere", browser, false},
		{"/api/v1/clusters", browser, false},
		{"/healthz", browser, false},
		{"/healthz/x", browser, false},
		{"/readyz", browser, false},
		{"/metrics", browser, false},
		{"/assets/../api", browser, false},
		{"/clusters/../x", browser, false},
	} {
		w := do(api, newRequest(tc.path, "Accept", tc.accept))
		if got := strings.HasPrefix(w.Body.String(), "page "); got != tc.page {
			t.Errorf("%s, Accept %s: %d %.60s: got page %t, want %t", tc.path, tc.accept, w.Code, w.Body, got, tc.page)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: got headers %v, want X-Content-Type-Options: nosniff", tc.path, w.Header())
		}
	}
	if w := do(f.api(nil), newRequest("/", "Accept", browser)); w.Code != 404 {
		t.Errorf("without a page: got %d, want 404", w.Code)
	}
}
