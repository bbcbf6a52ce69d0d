package httpapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire"
)

func TestClusterRoutesReturnTheirPart(t *testing.T) {
	const head = "cluster observedAt receivedAt resourceVersion sections session stale uid"
	for _, tc := range []struct{ path, parts string }{
		{"", "containers nodes pods ports summary"},
		{"/summary", "summary"},
		{"/nodes", "nodes"},
		{"/pods", "pods"},
		{"/containers", "containers"},
		{"/ports", "ports"},
	} {
		w := get(shop(t).api(nil), "/api/v1/clusters/prod-eu"+tc.path)
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", tc.path, w.Code, w.Body)
		}
		want := strings.Fields(head + " " + tc.parts)
		slices.Sort(want)
		if got := slices.Sorted(maps.Keys(fields(t, w.Body))); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", tc.path, got, want)
		}
	}
}

func TestClusterIsFoundByNameOrIP(t *testing.T) {
	for _, tc := range []struct{ requested, cluster string }{
		{"prod-eu", "prod-eu"},
		{"203.0.113.7", "prod-eu"},
		{"2001:db8::7", "prod-eu"},
		{"2001%3Adb8%3A%3A7", "prod-eu"},
		{"v1.24.lab", "v1.24.lab"},
		{"v1%2E24%2Elab", "v1.24.lab"},
	} {
		w := get(shop(t).api(nil), "/api/v1/clusters/"+tc.requested+"/summary")
		if got := string(fields(t, w.Body)["cluster"]); w.Code != http.StatusOK || got != fmt.Sprintf("%q", tc.cluster) {
			t.Errorf("%s: got %d, cluster %s; want cluster %s", tc.requested, w.Code, got, tc.cluster)
		}
	}
}

func TestFiltersAreApplied(t *testing.T) {
	api := shop(t).api(nil)
	for _, tc := range []struct{ query, field, want string }{
		{"/pods?owner=Deployment/web&state=running", "pods", `[{"namespace":"shop","name":"web-1"`},
		{"/pods?q=nobody", "pods", `[]`},
		{"/containers?kind=init", "containers", `[]`},
		{"/ports?port=8080&node=n1", "ports", `[{"node":"n1","protocol":"TCP","port":8080`},
		{"/ports?port=31234", "note", `"port 31234 in cluster prod-eu: not allocated and not declared.`},
		{"/nodes?limit=1", "nodes", `[{"name":"n1"`},
		{"?namespace=elsewhere", "pods", `[]`},
		{"?namespace=elsewhere", "nodes", `[{"name":"n1"`},
	} {
		w := get(api, "/api/v1/clusters/prod-eu"+tc.query)
		if got := string(fields(t, w.Body)[tc.field]); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: got %s %s, want %s…", tc.query, tc.field, got, tc.want)
		}
	}
}

func TestFreshnessHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shop(t)
		api := f.api(nil)
		<-time.After(3900 * time.Millisecond)
		for _, query := range []string{"", "?q=web"} {
			w := get(api, "/api/v1/clusters/prod-eu"+query)
			for name, want := range map[string]string{
				"Age":                    "3",
				"Rollcall-Observed-At":   "1999-12-31T23:59:59.750Z",
				"Rollcall-Received-At":   "2000-01-01T00:00:00.000Z",
				"Rollcall-Session":       "s-1",
				"Rollcall-Stale":         "false",
				"Cache-Control":          "private, no-cache",
				"Vary":                   "Accept-Encoding, Authorization, Cookie",
				"Content-Type":           "application/json",
				"Content-Length":         fmt.Sprint(w.Body.Len()),
				"X-Content-Type-Options": "nosniff",
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%q: got %s %q, want %q", query, name, got, want)
				}
			}
		}
	})
}

func TestStaleSectionIsInBodyAndHeader(t *testing.T) {
	f := shop(t)
	v := f.Reports["prod-eu"]
	v.Sections[state.SectionPods] = state.Section{ObservedAt: v.ReceivedAt.Add(-time.Minute), Error: state.SectionError{Reason: "Disconnected"}}
	w := get(f.api(nil), "/api/v1/clusters/prod-eu/pods")
	if got := w.Header().Get("Rollcall-Stale"); got != "true" {
		t.Errorf("got Rollcall-Stale %q, want true", got)
	}
	if got := string(fields(t, w.Body)["stale"]); got != "true" {
		t.Errorf("got stale %s, want true", got)
	}
}

func TestHeadEqualsGetWithoutBody(t *testing.T) {
	f := shop(t)
	server := httptest.NewServer(f.api(nil))
	defer server.Close()
	server.Client().Transport.(*http.Transport).DisableCompression = true
	for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/prod-eu/ports", "/healthz", "/readyz"} {
		full, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		full.Body.Close()
		head, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if head.StatusCode != http.StatusOK || head.ContentLength != full.ContentLength || head.Header.Get("Content-Type") != full.Header.Get("Content-Type") {
			t.Errorf("%s: HEAD returned %d with %d bytes of %s, GET %d with %d bytes of %s; want them equal", path, head.StatusCode, head.ContentLength, head.Header.Get("Content-Type"),
				full.StatusCode, full.ContentLength, full.Header.Get("Content-Type"))
		}
	}
}

func TestWaitEndsAtTimeout(t *testing.T) {
	for _, tc := range []struct {
		query string
		want  time.Duration
	}{{"", 10 * time.Second}, {"?timeout=250ms", 250 * time.Millisecond}, {"?timeout=1m", time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			f := shop(t)
			delete(f.Reports, "prod-eu")
			begin := time.Now()
			w := get(f.api(nil), "/api/v1/clusters/prod-eu"+tc.query)
			if took := time.Since(begin); w.Code != http.StatusGatewayTimeout || took != tc.want {
				t.Errorf("%q: got %d after %s, want 504 after %s", tc.query, w.Code, took, tc.want)
			}
		})
	}
}

func TestWaitEndsAtShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shop(t)
		delete(f.Reports, "prod-eu")
		api := f.api(nil)
		go func() {
			<-time.After(time.Second)
			api.Drain()
		}()
		begin := time.Now()
		w := get(api, "/api/v1/clusters/prod-eu")
		if took := time.Since(begin); w.Code != http.StatusServiceUnavailable || took != time.Second || w.Header().Get("Retry-After") != "1" {
			t.Errorf("got %d after %s, Retry-After %q; want 503 after 1s, Retry-After 1", w.Code, took, w.Header().Get("Retry-After"))
		}
	})
}

func TestDisconnectedClientGetsNoResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shop(t)
		delete(f.Reports, "prod-eu")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		api := f.api(nil)
		w := do(api, httptest.NewRequest(http.MethodGet, "/api/v1/clusters/prod-eu", nil).WithContext(ctx))
		if w.Body.Len() != 0 {
			t.Errorf("got response %s, want none", w.Body)
		}
		if page := get(api, "/metrics").Body.String(); !strings.Contains(page, `rollcall_http_requests_total{code="499",route="/api/v1/clusters/{cluster}"} 1`) {
			t.Errorf("got metrics\n%s\nwant one disconnected client", page)
		}
	})
}

func TestWaitForUsage(t *testing.T) {
	pending := state.SectionError{Reason: "Pending", Message: "usage has not been read yet"}
	for _, tc := range []struct {
		name, query string
		first       state.SectionError
		after       time.Duration // when usage comes; 0: never
		want        time.Duration
		usage       bool
	}{
		{"is not asked for", "", pending, time.Second, 0, false},
		{"comes", "?wait=usage", pending, time.Second, time.Second, true},
		{"comes too late", "?wait=usage&timeout=2s", pending, 3 * time.Second, 2 * time.Second, false},
		{"will not come", "?wait=usage", state.SectionError{Reason: "Unavailable"}, 0, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := shop(t)
			without := *f.Reports["prod-eu"]
			bare := *stateOf(t, &without)
			bare.Usage, bare.Sections[state.SectionUsage] = nil, state.Section{Error: tc.first}
			without.LazyState = wire.NewLazyState(&bare)
			begin := time.Now()
			with := f.Reports["prod-eu"]
			f.Reports["prod-eu"] = &without
			if tc.after > 0 {
				go func() {
					<-time.After(tc.after)
					f.Change(func() { f.Reports["prod-eu"] = with })
				}()
			}
			w := get(f.api(nil), "/api/v1/clusters/prod-eu/nodes"+tc.query)
			took := time.Since(begin)
			if usage := !strings.Contains(w.Body.String(), tc.first.Reason); w.Code != http.StatusOK || took != tc.want || usage != tc.usage {
				t.Errorf("%s: got %d with usage %t after %s, want 200 with usage %t after %s", tc.name, w.Code, usage, took, tc.usage, tc.want)
			}
			<-time.After(5 * time.Second)
		})
	}
}

func TestReportThatExpiresDuringWaitForUsageIsNotReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := shop(t)
		pending := *f.Reports["prod-eu"]
		bare := *stateOf(t, &pending)
		bare.Usage, bare.Sections[state.SectionUsage] = nil, state.Section{Error: state.SectionError{Reason: "Pending"}}
		pending.LazyState = wire.NewLazyState(&bare)
		f.Reports["prod-eu"] = &pending
		go func() { // the session breaks
			<-time.After(time.Second)
			f.Change(func() { delete(f.Reports, "prod-eu") })
		}()
		timeout := pending.TTL + 5*time.Second
		if w := get(f.api(nil), fmt.Sprintf("%s?wait=usage&timeout=%s", eu1, timeout)); w.Code != http.StatusGatewayTimeout {
			t.Errorf("got %d %s, want 504 because the value has expired", w.Code, w.Body)
		}
	})
}

func TestAgeHeaderIsInWholeSeconds(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0", 999 * time.Millisecond: "0", 63 * time.Second: "63", 64 * time.Second: "64", time.Hour: "3600"} {
		if got := ageHeader(d); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %s", d, got, want)
		}
	}
}

// TestFastPathEqualsMux compares the responses of the API with those of the mux alone.
func TestFastPathEqualsMux(t *testing.T) {
	api := shop(t).api(nil)
	for _, path := range []string{eu1, eu1 + "?q=web", clustersPath, clustersPath + "nobody", clustersPath + "203.0.113.7", clustersPath + "prod%2Deu", clustersPath + "..", clustersPath + "a%2Fb", clustersPath + "prod-eu/", clustersPath + "prod-eu/nodes", clustersPath + "%2e%2e"} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete} {
			r := httptest.NewRequest(method, path, nil)
			short, long := httptest.NewRecorder(), httptest.NewRecorder()
			api.ServeHTTP(short, r)
			if _, ok := fastClusterPath(r); !ok {
				continue
			}
			api.mux.ServeHTTP(long, r.Clone(r.Context()))
			if short.Code != long.Code || short.Body.String() != long.Body.String() {
				t.Errorf("%s %s: got %d %s, want that of the mux, %d %s", method, path, short.Code, short.Body, long.Code, long.Body)
			}
		}
	}
}
