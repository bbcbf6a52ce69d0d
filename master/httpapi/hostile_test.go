package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

func TestHostileRequestsGetProblems(t *testing.T) {
	var filters strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&filters, "&f%d=1", i)
	}
	for _, tc := range []struct {
		target string
		status int
		reason string
	}{
		{"/api/v1/clusters/prod-eu?" + filters.String(), 400, httpv1.ReasonBadRequest},
		{"/api/v1/clusters/prod-eu/pods?q=" + strings.Repeat("%C3%A4", 2000), 400, httpv1.ReasonBadRequest},
		{"/api/v1/clusters/prod-eu/pods?q=%C3%28", 400, httpv1.ReasonBadRequest},
		{"/api/v1/clusters/prod-eu/pods?namespace=%00", 400, httpv1.ReasonBadRequest},
		{"/api/v1/clusters/prod-eu/pods?" + strings.Repeat("limit=1&", 900), 400, httpv1.ReasonBadRequest},
		{"/api/v1/clusters/" + strings.Repeat("a", 20_000), 404, httpv1.ReasonNotFound},
		{"/api/v1/clusters/a%2Fpods", 404, httpv1.ReasonNotFound},
		{"/api/v1/clusters/%2e%2e%2fclusters", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/..", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/../clusters", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/prod-eu/../prod-us", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/prod-eu/%2e%2e/%2e%2e", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters//", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/prod-eu/", 404, httpv1.ReasonNoSuchPath},
		{"//api/v1/clusters", 404, httpv1.ReasonNoSuchPath},
		{"/api/v1/clusters/prod-eu%00", 404, httpv1.ReasonNotFound},
		{"/api/v1/clusters/%FF%FE", 404, httpv1.ReasonNotFound},
		{"/api/v1/clusters/%20", 404, httpv1.ReasonNotFound},
		{"/api/v1/clusters/<script>alert(1)<%2Fscript>", 404, httpv1.ReasonNoSuchPath},
	} {
		f := shop(t)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		target, err := url.ParseRequestURI(tc.target)
		if err != nil {
			t.Fatalf("%s: %v", tc.target, err)
		}
		r.URL = target
		w := do(f.api(nil), r)
		if w.Code != tc.status || string(fields(t, w.Body)["reason"]) != fmt.Sprintf("%q", tc.reason) {
			t.Errorf("%.80s: got %d %s, want %d %s", tc.target, w.Code, w.Body, tc.status, tc.reason)
		}
		if w.Body.Len() > 1024 {
			t.Errorf("%.80s: got a response of %d bytes, want at most 1024", tc.target, w.Body.Len())
		}
		if len(f.Demanded) > 0 {
			t.Errorf("%.80s: got demand for %v, want none", tc.target, f.Demanded)
		}
	}
}

// FuzzRequest checks that no request causes an internal error, and that each response under /api is
// JSON.
func FuzzRequest(f *testing.F) {
	for _, target := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/203.0.113.7/ports?port=80", "/api/v1/clusters/prod-eu/pods?limit=1&q=a", "/api/v1/clusters/..", "/api/v1/clusters/a%2Fb"} {
		f.Add("GET", target)
	}
	for _, target := range []string{"/api/v1/clusters?watch=true&detail=prod-eu@1.1-1", "/api/v1/clusters/prod-eu?watch=true&resourceVersion=17.9f2c-4", "/api/v1/clusters?q=a&limit=1&continue=cHJvZA", "/api"} {
		f.Add("GET", target)
	}
	f.Add("HEAD", "/api/v1/clusters?watch=true")
	f.Add("DELETE", "/api/v1/clusters")
	f.Add("HEAD", "/api/v1/clusters/prod-eu")
	api := shop(f).api(nil)
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL = method, u
		// It may be a watch, which has no end.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		w := do(api, r.WithContext(ctx))
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Fatalf("%s %q: %d %s", method, target, w.Code, w.Body)
		}
		if !strings.HasPrefix(u.Path, "/api") || u.Path == "/api" && w.Code == http.StatusOK {
			return
		}
		for line := range bytes.Lines(w.Body.Bytes()) {
			if !json.Valid(line) {
				t.Fatalf("%s %q: got %s, want JSON", method, target, line)
			}
		}
	})
}
