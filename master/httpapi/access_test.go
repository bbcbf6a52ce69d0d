package httpapi

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/master/session"
)

// rules maps each access to the result of its review: nil if it is allowed. Other accesses are
// forbidden or hidden.
type rules map[Access]error

func (r rules) authenticate(*http.Request) (Authorizer, error) { return r.authorize, nil }

func (r rules) authorize(_ context.Context, want Access) error {
	want.ListOnly, want.Listed, want.RequestedAs = false, false, ""
	if err, ok := r[want]; ok {
		return err
	}
	return ErrForbidden
}

func (r rules) api(t *testing.T) (*API, *fake) {
	f := shop(t)
	return f.api(func(c *Config) { c.Authenticate, c.Profiling = r.authenticate, true }), f
}

func TestAccessReviews(t *testing.T) {
	get1 := func(cluster string, details bool) Access {
		return Access{Verb: "get", Cluster: cluster, Details: details}
	}
	for _, tc := range []struct {
		name, path string
		rules      rules
		status     int
		reason     string
	}{
		{"everything", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): nil}, 200, ""},
		{"by IP, the name decides", "/api/v1/clusters/203.0.113.7/pods", rules{get1("prod-eu", true): nil}, 200, ""},
		{"summary only", "/api/v1/clusters/prod-eu/summary", rules{get1("prod-eu", false): nil}, 200, ""},
		{"summary only, asked for more", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", false): nil}, 403, httpv1.ReasonForbidden},
		{"not authenticated", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): fmt.Errorf("%w: send a bearer token", ErrUnauthenticated)}, 401, httpv1.ReasonUnauthorized},
		{"hidden", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): ErrHidden}, 404, httpv1.ReasonNotFound},
		{"not there, to who may not see it", "/api/v1/clusters/nowhere", rules{}, 403, httpv1.ReasonForbidden},
		{"not there, to who may know", "/api/v1/clusters/nowhere", rules{get1("nowhere", true): nil}, 404, httpv1.ReasonNotFound},
		{"bad query of who may not see it", "/api/v1/clusters/prod-eu?colour=red", rules{}, 403, httpv1.ReasonForbidden},
		{"authorizer unavailable", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): ErrAuthorizerUnavailable}, 503, httpv1.ReasonAuthorizerUnavailable},
		{"list, authorizer unavailable", "/api/v1/clusters", rules{{Verb: "list"}: ErrAuthorizerUnavailable}, 503, httpv1.ReasonAuthorizerUnavailable},
		{"list of some, authorizer unavailable", "/api/v1/clusters", rules{get1("prod-eu", false): nil, get1("v1.24.lab", false): ErrAuthorizerUnavailable}, 503, httpv1.ReasonAuthorizerUnavailable},
		{"metrics, authorizer unavailable", "/metrics", rules{{Verb: "get", Path: "/metrics"}: ErrAuthorizerUnavailable}, 503, httpv1.ReasonAuthorizerUnavailable},
		{"list", "/api/v1/clusters", rules{{Verb: "list"}: nil}, 200, ""},
		{"list of nothing", "/api/v1/clusters", rules{}, 403, httpv1.ReasonForbidden},
		{"list, not authenticated", "/api/v1/clusters", rules{{Verb: "list"}: ErrUnauthenticated}, 401, httpv1.ReasonUnauthorized},
		{"metrics", "/metrics", rules{{Verb: "get", Path: "/metrics"}: nil}, 200, ""},
		{"no metrics", "/metrics", rules{}, 403, httpv1.ReasonForbidden},
		{"a profile", "/debug/pprof/goroutine", rules{{Verb: "get", Path: "/debug/pprof/goroutine"}: nil}, 200, ""},
		{"the list of profiles", "/debug/pprof/", rules{{Verb: "get", Path: "/debug/pprof/"}: nil}, 200, ""},
		{"no profile for a reader of metrics", "/debug/pprof/heap", rules{{Verb: "get", Path: "/metrics"}: nil}, 403, httpv1.ReasonForbidden},
		{"no profile for a reader of another profile", "/debug/pprof/heap", rules{{Verb: "get", Path: "/debug/pprof/goroutine"}: nil}, 403, httpv1.ReasonForbidden},
		{"a profile for who is not known", "/debug/pprof/heap", rules{{Verb: "get", Path: "/debug/pprof/heap"}: ErrUnauthenticated}, 401, httpv1.ReasonUnauthorized},
		{"health is everybody's", "/healthz", rules{}, 200, ""},
		{"the version is everybody's", "/version", rules{}, 200, ""},
		{"readiness is everybody's", "/readyz", rules{}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api, f := tc.rules.api(t)
			w := get(api, tc.path)
			if w.Code != tc.status {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, tc.status)
			}
			if tc.reason != "" && string(fields(t, w.Body)["reason"]) != fmt.Sprintf("%q", tc.reason) {
				t.Errorf("got reason %s, want %s", fields(t, w.Body)["reason"], tc.reason)
			}
			if tc.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("got a 401 without WWW-Authenticate")
			}
			if tc.status != http.StatusOK && len(f.Demanded) > 0 {
				t.Errorf("got demand for %v by a rejected request, want none", f.Demanded)
			}
		})
	}
}

func TestHiddenClusterLooksLikeMissingCluster(t *testing.T) {
	hide := func(*http.Request) (Authorizer, error) {
		return func(context.Context, Access) error { return ErrHidden }, nil
	}
	f := shop(t)
	api := f.api(func(c *Config) { c.Authenticate = hide })
	there, nowhere := get(api, "/api/v1/clusters/prod-eu"), get(api, "/api/v1/clusters/prod-xx")
	if strings.ReplaceAll(nowhere.Body.String(), "prod-xx", "prod-eu") != there.Body.String() {
		t.Errorf("got different responses for a hidden and a missing cluster, want the same:\n%s%s", there.Body, nowhere.Body)
	}
}

func TestListContainsVisibleClusters(t *testing.T) {
	api, _ := rules{{Verb: "get", Cluster: "v1.24.lab"}: nil}.api(t)
	if got := slices.Collect(maps.Keys(list(t, api))); !slices.Equal(got, []string{"v1.24.lab"}) {
		t.Errorf("got %v, want only v1.24.lab", got)
	}
}

func TestListAuthenticatesOnceAndLimitsParallelReviews(t *testing.T) {
	f := shop(t)
	f.Registered = nil
	for i := range 10 * maxParallelReviews {
		f.Registered = append(f.Registered, session.Registered{Name: fmt.Sprintf("c%03d", i)})
	}
	var identified, asking, most, asked atomic.Int64
	api := f.api(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) {
			identified.Add(1)
			return func(_ context.Context, want Access) error {
				asked.Add(1)
				if n := asking.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer asking.Add(-1)
				runtime.Gosched()
				if want.Verb == "list" {
					return ErrForbidden
				}
				return nil
			}, nil
		}
	})
	if got := len(list(t, api)); got != len(f.Registered) {
		t.Errorf("got %d clusters, want %d", got, len(f.Registered))
	}
	if identified.Load() != 1 || asked.Load() != int64(len(f.Registered)+1) || most.Load() > maxParallelReviews {
		t.Errorf("got %d authentications, %d reviews, %d in parallel; want 1, %d and at most %d",
			identified.Load(), asked.Load(), most.Load(), len(f.Registered)+1, maxParallelReviews)
	}
}

func TestProfilesAreDisabledByDefault(t *testing.T) {
	api := shop(t).api(func(*Config) {})
	for _, path := range []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if w := get(api, path); w.Code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, w.Code)
		}
	}
}
