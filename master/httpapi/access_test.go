package httpapi

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// rules are what callers may see: nil where it is allowed.
type rules map[Access]error

func (r rules) authorize(_ *http.Request, want Access) error {
	if err, told := r[want]; told {
		return err
	}
	return ErrForbidden
}

func (r rules) api(t *testing.T) (*API, *fake) {
	f := shop(t)
	return f.api(func(c *Config) { c.Authorize = r.authorize }), f
}

func TestWhoMaySeeWhat(t *testing.T) {
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
		{"summary only, asked for more", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", false): nil}, 403, ReasonForbidden},
		{"nobody known", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): fmt.Errorf("%w: send a bearer token", ErrUnauthenticated)}, 401, ReasonUnauthorized},
		{"hidden", "/api/v1/clusters/prod-eu", rules{get1("prod-eu", true): ErrHidden}, 404, ReasonNotFound},
		{"not there, to who may not see it", "/api/v1/clusters/nowhere", rules{}, 403, ReasonForbidden},
		{"not there, to who may know", "/api/v1/clusters/nowhere", rules{get1("nowhere", true): nil}, 404, ReasonNotFound},
		{"bad query of who may not see it", "/api/v1/clusters/prod-eu?colour=red", rules{}, 403, ReasonForbidden},
		{"list", "/api/v1/clusters", rules{{Verb: "list"}: nil}, 200, ""},
		{"list of nothing", "/api/v1/clusters", rules{}, 403, ReasonForbidden},
		{"list of who is not known", "/api/v1/clusters", rules{{Verb: "list"}: ErrUnauthenticated}, 401, ReasonUnauthorized},
		{"metrics", "/metrics", rules{{Verb: "get", Path: "/metrics"}: nil}, 200, ""},
		{"no metrics", "/metrics", rules{}, 403, ReasonForbidden},
		{"health is everybody's", "/healthz", rules{}, 200, ""},
		{"readiness is everybody's", "/readyz", rules{}, 200, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api, f := tc.rules.api(t)
			w := get(api, tc.path)
			if w.Code != tc.status {
				t.Fatalf("got %d %s, want %d", w.Code, w.Body, tc.status)
			}
			if tc.reason != "" && string(fields(t, w.Body)["reason"]) != fmt.Sprintf("%q", tc.reason) {
				t.Errorf("reason is %s, want %s", fields(t, w.Body)["reason"], tc.reason)
			}
			if tc.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
				t.Error("401 without WWW-Authenticate")
			}
			if tc.status != http.StatusOK && len(f.awaited) > 0 {
				t.Errorf("a refused request was demand for %v", f.awaited)
			}
		})
	}
}

func TestWhatIsHiddenLooksLikeWhatIsNotThere(t *testing.T) {
	hide := func(*http.Request, Access) error { return ErrHidden }
	f := shop(t)
	api := f.api(func(c *Config) { c.Authorize = hide })
	there, nowhere := get(api, "/api/v1/clusters/prod-eu"), get(api, "/api/v1/clusters/prod-xx")
	if strings.ReplaceAll(nowhere.Body.String(), "prod-xx", "prod-eu") != there.Body.String() {
		t.Errorf("told apart:\n%s%s", there.Body, nowhere.Body)
	}
}

func TestTheListHasWhatItsCallerMaySee(t *testing.T) {
	api, _ := rules{{Verb: "get", Cluster: "v1.24.lab"}: nil}.api(t)
	if got := slices.Collect(maps.Keys(list(t, api))); !slices.Equal(got, []string{"v1.24.lab"}) {
		t.Errorf("got %v, want v1.24.lab only", got)
	}
}
