package access

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
	"rollcall.dev/rollcall/api/tlsfiles"
	"rollcall.dev/rollcall/test/kube"
)

func TestRBAC(t *testing.T) {
	cluster := hub(t)
	api := serve(t, cluster, func(*Config) {})
	api.waitForStatus(person(t, cluster, "viewer"), "/api/v1/clusters", http.StatusOK)
	who := map[string]client{"team": person(t, cluster, "tim", "prod-eu-team"), "account": token(t, cluster)}
	for _, name := range []string{"viewer", "lister", "listing", "scraper", "profiler", "nobody"} {
		who[name] = person(t, cluster, name)
	}
	const (
		list, eu, euIP, euPods, euSummary = "/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/203.0.113.7", "/api/v1/clusters/203.0.113.7/pods", "/api/v1/clusters/prod-eu/summary"
		us, usSummary, nowhere, metrics   = "/api/v1/clusters/prod-us", "/api/v1/clusters/prod-us/summary", "/api/v1/clusters/nowhere", "/metrics"
		heap, profiles                    = "/debug/pprof/heap", "/debug/pprof/"
	)
	for _, tc := range []struct {
		who  string
		want map[string]int
	}{
		{"viewer", map[string]int{list: 200, eu: statusVisible, euIP: statusVisible, euPods: statusVisible, euSummary: statusVisible, us: statusVisible, usSummary: statusVisible, nowhere: 404, metrics: 403, heap: 403}},
		{"account", map[string]int{list: 200, eu: statusVisible, euIP: statusVisible, euPods: statusVisible, euSummary: statusVisible, us: statusVisible, usSummary: statusVisible, nowhere: 404, metrics: 403}},
		{"team", map[string]int{list: 200, eu: statusVisible, euIP: statusVisible, euPods: statusVisible, euSummary: statusVisible, us: 404, usSummary: 404, nowhere: 404, metrics: 403}},
		{"lister", map[string]int{list: 200, eu: 403, euIP: 403, euPods: 403, euSummary: statusVisible, us: 403, usSummary: statusVisible, metrics: 403}},
		{"listing", map[string]int{list: 200, eu: 403, euIP: 403, euPods: 403, euSummary: 403, us: 403, usSummary: 403, metrics: 403}},
		{"scraper", map[string]int{list: 403, eu: 404, euIP: 404, euPods: 404, euSummary: 404, us: 404, usSummary: 404, nowhere: 404, metrics: 200, heap: 403, profiles: 403}},
		{"profiler", map[string]int{list: 403, eu: 404, nowhere: 404, metrics: 403, heap: 200, profiles: 200}},
		{"nobody", map[string]int{list: 403, eu: 404, euIP: 404, euPods: 404, euSummary: 404, us: 404, usSummary: 404, nowhere: 404, metrics: 403, "/healthz": 200, "/readyz": 200}},
	} {
		for path, want := range tc.want {
			if got := api.get(who[tc.who], path); got.status != want {
				t.Errorf("%s, %s: got %d %s, want %d", tc.who, path, got.status, got.body, want)
			}
		}
	}
}

func TestHiddenClustersAreNotRevealed(t *testing.T) {
	cluster := hub(t)
	api := serve(t, cluster, func(*Config) {})
	team, lister, listing := person(t, cluster, "tim", "prod-eu-team"), person(t, cluster, "lister"), person(t, cluster, "listing")
	const list = "/api/v1/clusters"
	api.waitForStatus(team, list, http.StatusOK)
	if got := names(t, api.get(team, list)); !slices.Equal(got, []string{"prod-eu"}) {
		t.Errorf("list of team: got %v, want prod-eu only", got)
	}
	if got := names(t, api.get(listing, list)); !slices.Equal(got, []string{"prod-eu", "prod-us"}) {
		t.Errorf("list of listing: got %v, want both clusters", got)
	}
	detail := api.get(lister, list+"/203.0.113.7/pods").problem(t).Detail
	if !strings.Contains(detail, `user "lister" may not get clusterstatuses/details "prod-eu"`) || !strings.Contains(detail, "rollcall-viewer") {
		t.Errorf("got detail %q, want user, verb, resource and a role that allows it", detail)
	}
	hidden, missing := api.get(team, list+"/prod-us").body, api.get(team, list+"/nowhere").body
	if strings.ReplaceAll(hidden, "prod-us", "nowhere") != missing {
		t.Errorf("got different responses for a hidden and for an unknown cluster, want the same:\n%s%s", hidden, missing)
	}
}

// names returns the clusters in a list.
func names(t *testing.T, list apiResponse) (names []string) {
	t.Helper()
	var document struct{ Clusters []struct{ Name string } }
	if err := json.Unmarshal([]byte(list.body), &document); err != nil {
		t.Fatalf("%v: %s", err, list.body)
	}
	for _, c := range document.Clusters {
		names = append(names, c.Name)
	}
	return names
}

func TestCredentials(t *testing.T) {
	cluster := hub(t)
	api := serve(t, cluster, func(*Config) {})
	good := token(t, cluster)
	api.waitForStatus(person(t, cluster, "viewer"), "/api/v1/clusters", http.StatusOK)
	untrusted, err := tlsfiles.SelfSigned("viewer", nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	untrustedCert, err := untrusted.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		who    client
		status int
		detail string
	}{
		"nothing":                               {client{}, 401, "send `Authorization: Bearer TOKEN`"},
		"garbage":                               {client{token: "garbage"}, 401, "does not accept this token"},
		"an expired token":                      {client{token: resignToken(t, good.token, -time.Hour)}, 401, "may have expired"},
		"the same, not expired":                 {client{token: resignToken(t, good.token, time.Hour)}, 200, ""},
		"a token with another signature":        {client{token: good.token[:len(good.token)-8] + "AAAAAAAA"}, 401, "does not accept this token"},
		"a token of another audience":           {token(t, cluster, "elsewhere"), 401, "cluster or audience"},
		"an untrusted certificate":              {client{certificate: &untrustedCert}, 401, "not signed by a trusted authority"},
		"a token with an untrusted certificate": {client{certificate: &untrustedCert, token: good.token}, 200, ""},
		"a token":                               {good, 200, ""},
	} {
		for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters/nowhere", "/metrics"} {
			got := api.get(tc.who, path)
			if tc.status == 200 && got.status == 401 || tc.status == 401 && got.status != 401 {
				t.Errorf("%s, %s: got %d %s, want %d", name, path, got.status, got.body, tc.status)
			}
			if tc.status == 401 && (got.header.Get("WWW-Authenticate") != "Bearer" || !strings.Contains(got.problem(t).Detail, tc.detail)) {
				t.Errorf("%s: got %v %s, want WWW-Authenticate: Bearer and %q", name, got.header, got.body, tc.detail)
			}
		}
	}
}

// resignToken returns a copy of a token with another expiry, signed with the hub's own key. expires
// is relative to now and may be negative.
func resignToken(t *testing.T, good string, expires time.Duration) string {
	t.Helper()
	key, err := os.ReadFile(filepath.Join(hubDir, "pki", "service-accounts.key"))
	if err != nil {
		t.Fatal(err)
	}
	private, err := jwt.ParseECPrivateKeyFromPEM(key)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	parsed, _, err := jwt.NewParser().ParseUnverified(good, claims)
	if err != nil {
		t.Fatal(err)
	}
	for claim, after := range map[string]time.Duration{"iat": -2 * time.Hour, "nbf": -2 * time.Hour, "exp": expires} {
		claims[claim] = time.Now().Add(after).Unix()
	}
	made := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	made.Header["kid"] = parsed.Header["kid"]
	signed, err := made.SignedString(private)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestTokenAudiences(t *testing.T) {
	cluster := hub(t)
	api := serve(t, cluster, func(c *Config) { c.TokenAudiences = []string{"rollcall", "rollcall.example.com"} })
	for _, tc := range []struct {
		audiences []string
		want      int
	}{
		{[]string{"rollcall"}, 200},
		{[]string{"elsewhere", "rollcall.example.com"}, 200},
		{[]string{"elsewhere"}, 401},
		{nil, 401}, // the hub's own audience
	} {
		if got := api.get(token(t, cluster, tc.audiences...), "/api/v1/clusters"); got.status != tc.want {
			t.Errorf("audiences %v: got %d %s, want %d", tc.audiences, got.status, got.body, tc.want)
		}
	}
}

func TestClientCAFileReplacesHubCA(t *testing.T) {
	cluster := hub(t)
	path := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(path, authorityPEM(t, "own"), 0o600); err != nil {
		t.Fatal(err)
	}
	api := serve(t, cluster, func(c *Config) { c.ClientCAFile = path })
	viewer := person(t, cluster, "viewer")
	if got := api.get(viewer, "/api/v1/clusters"); got.status != 401 {
		t.Errorf("certificate of the hub: got %d %s, want 401", got.status, got.body)
	}
	if err := os.WriteFile(path, cluster.Config().CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	api.waitForStatus(viewer, "/api/v1/clusters", http.StatusOK)
}

func TestMasterWithoutPermissionsDeniesAccess(t *testing.T) {
	cluster := hub(t)
	powerless, _, err := cluster.User("powerless")
	if err != nil {
		t.Fatal(err)
	}
	api := serve(t, cluster, func(c *Config) { c.Hub = powerless })
	for name, who := range map[string]client{"token": token(t, cluster), "certificate": person(t, cluster, "viewer")} {
		got := api.get(who, "/api/v1/clusters")
		if got.status != 503 || got.problem(t).Reason != httpv1.ReasonAuthorizerUnavailable || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: got %d %s, want 503 with the reason Undecided", name, got.status, got.body)
		}
	}
}

func TestHubOutageDeniesAccess(t *testing.T) {
	cluster := kube.Fresh(t, kube.Options{Name: "away"})
	install(t, cluster)
	api := serve(t, cluster, func(*Config) {})
	viewer, account := person(t, cluster, "viewer"), token(t, cluster)
	api.waitForStatus(viewer, "/metrics", http.StatusForbidden)
	cluster.StopAPIServer()
	for name, who := range map[string]client{"certificate": viewer, "token": account} {
		for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu"} {
			got := api.get(who, path)
			if got.status != 503 || got.problem(t).Reason != httpv1.ReasonAuthorizerUnavailable || !strings.Contains(got.body, "the hub's API server") {
				t.Errorf("%s, %s: got %d %s, want 503 with the reason Undecided and a detail about the hub", name, path, got.status, got.body)
			}
		}
	}
	if got := api.get(client{}, "/healthz"); got.status != 200 {
		t.Errorf("healthz: got %d, want 200", got.status)
	}
	if err := cluster.StartAPIServer(t.Context()); err != nil {
		t.Fatal(err)
	}
	api.waitForStatus(viewer, "/api/v1/clusters", http.StatusOK)
	api.waitForStatus(account, "/api/v1/clusters", http.StatusOK)
}

// TestReadsContinueWhileTheAPIServerHangs suspends the API server for longer than reviews are cached.
func TestReadsContinueWhileTheAPIServerHangs(t *testing.T) {
	cluster := hub(t)
	api := serve(t, cluster, func(*Config) {})
	callers := []client{person(t, cluster, "viewer"), token(t, cluster)}
	for _, c := range callers {
		api.waitForStatus(c, "/api/v1/clusters/prod-eu", statusVisible)
	}
	cluster.FreezeAPIServer()
	t.Cleanup(cluster.ThawAPIServer)
	for began := time.Now(); time.Since(began) < acceptedFor+2*time.Second; <-time.After(200 * time.Millisecond) {
		for _, c := range callers {
			if got := api.get(c, "/api/v1/clusters/prod-eu"); got.status != statusVisible {
				t.Fatalf("after %s: got %d %s, want %d", time.Since(began), got.status, got.body, statusVisible)
			}
		}
	}
	if got := api.get(callers[0], "/api/v1/clusters/prod-us"); got.status != http.StatusServiceUnavailable {
		t.Errorf("a cluster that was not read before: got %d %s, want 503", got.status, got.body)
	}
	cluster.ThawAPIServer()
	api.waitForStatus(callers[0], "/api/v1/clusters/prod-us", statusVisible)
}
