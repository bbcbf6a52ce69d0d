package local

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	httpv1 "rollcall.dev/rollcall/api/http/v1"
)

func TestAddressOfThePageWorksOnce(t *testing.T) {
	r := start(t, Config{Simulate: 1, Seed: 1})
	first := r.request(r.query(), nil)
	cookie := first.header.Get("Set-Cookie")
	if first.status != http.StatusSeeOther || first.header.Get("Location") != "/" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Strict") {
		t.Fatalf("got %+v, want a redirect to / with a cookie that is HttpOnly and SameSite=Strict", first)
	}
	if first.header.Get("Cache-Control") != "no-store" || first.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("got the header %v, want no-store and no-referrer", first.header)
	}
	second := r.request(r.query(), nil)
	if second.status != http.StatusForbidden || second.header.Get("Set-Cookie") != "" || !strings.Contains(second.body, "It works once") || !strings.Contains(second.body, "another user of this machine") {
		t.Errorf("got %+v, want a refusal that says what to do", second)
	}
	r.waitPrinted("was refused, because it was used before")
	pair, _, _ := strings.Cut(cookie, ";")
	again := r.request(r.query(), http.Header{"Cookie": {pair}})
	if again.status != http.StatusSeeOther {
		t.Errorf("the same browser got %+v, want a redirect to the page", again)
	}
	if got := r.request("/api/v1/clusters", http.Header{"Cookie": {pair}}); got.status != http.StatusOK {
		t.Errorf("with the cookie: %+v, want the list", got)
	}
}

func TestOtherUsersCannotRead(t *testing.T) {
	r := start(t, Config{Simulate: 1, Seed: 1})
	for _, path := range []string{
		"/api/v1/clusters", "/api/v1/clusters?watch=true", "/api/v1/clusters/prod-eu-west", "/api/v1/clusters/prod-eu-west/pods", "/api/v1/session",
		"/prometheus/api/v1/query?query=up", "/prometheus/federate?match[]=up", "/api/v1/model/nodes", "/metrics",
	} {
		for name, header := range map[string]http.Header{
			"nothing": {}, "another token": {"Authorization": {"Bearer " + strings.ToLower(r.token)}}, "an empty token": {"Authorization": {"Bearer "}},
			"another cookie": {"Cookie": {"rollcall-local-" + port(t, r.url) + "=x"}}, "the token as cookie": {"Cookie": {"rollcall-session=" + r.token}},
		} {
			if got := r.request(path, header); got.status != http.StatusUnauthorized && got.status != http.StatusNotFound || strings.Contains(got.body, "node-0") {
				t.Errorf("GET %s with %s: %d %.200s, want 401", path, name, got.status, got.body)
			}
		}
	}
	if got := r.request("/api/v1/clusters", nil); !strings.Contains(got.body, "open the address that it has printed") {
		t.Errorf("got %s, want what to do", got.body)
	}
	for _, path := range []string{"/api/v1/clusters", "/metrics", "/prometheus/api/v1/query?query=up"} {
		if got := r.request(path, r.bearer()); got.status != http.StatusOK {
			t.Errorf("GET %s with the token: %d %.200s, want 200", path, got.status, got.body)
		}
	}
}

func TestOnlyLoopbackHostsAreAccepted(t *testing.T) {
	r := start(t, Config{Simulate: 1, Seed: 1})
	for host, want := range map[string]int{
		"localhost:" + port(t, r.url): http.StatusOK, "127.0.0.1": http.StatusOK, "[::1]:80": http.StatusOK,
		"rebound.example": http.StatusMisdirectedRequest, "10.0.0.1": http.StatusMisdirectedRequest, "localhost.example": http.StatusMisdirectedRequest,
	} {
		header := r.bearer()
		header.Set("Host", host)
		got := r.request("/api/v1/clusters", header)
		if got.status != want || want != http.StatusOK && !strings.Contains(got.body, "kubectl rollcall local") {
			t.Errorf("Host %s: %d %s, want %d", host, got.status, got.body, want)
		}
		header.Set("Host", host)
		if link := r.request("/?token=x", header); want != http.StatusOK && link.status != want {
			t.Errorf("Host %s: the address of the page gives %d, want %d", host, link.status, want)
		}
	}
}

func TestSignInWithTheToken(t *testing.T) {
	r := start(t, Config{Simulate: 1, Seed: 1})
	jar, _ := cookiejar.New(nil)
	browser := http.Client{Jar: jar}
	defer browser.CloseIdleConnections()
	post := func(token string) (int, string) {
		response, err := browser.Post(r.url+"/api/v1/session", "application/json", strings.NewReader(`{"token":"`+token+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	if code, body := post("wrong"); code != http.StatusUnauthorized || !strings.Contains(body, "not the ROLLCALL_TOKEN") {
		t.Errorf("a wrong token: %d %s, want 401", code, body)
	}
	if code, body := post(r.token); code != http.StatusOK {
		t.Fatalf("the token: %d %s, want 200", code, body)
	}
	u, _ := url.Parse(r.url)
	if cookies := jar.Cookies(u); len(cookies) != 1 || cookies[0].Name != "rollcall-local-"+u.Port() {
		t.Errorf("got the cookies %v, want one whose name has the port", cookies)
	}
	response, err := browser.Get(r.url + "/api/v1/clusters")
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("got %v, %v, want the list", response, err)
	}
	response.Body.Close()
}

// port returns the port of a URL.
func port(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Port()
}

func TestSimulatedClusters(t *testing.T) {
	r := start(t, Config{Simulate: 20, Seed: 1})
	var all map[string]httpv1.Cluster
	eventually(t, "all clusters are shown", func() bool {
		all = r.clusters()
		reporting := 0
		for _, c := range all {
			if c.Session.Phase == httpv1.Reporting && c.Summary != nil {
				reporting++
			}
		}
		return reporting == 19
	}, r.state)
	if c := all["edge-oslo"]; c.Session.Reason != "DialFailed" {
		t.Errorf("edge-oslo: got %+v, want a cluster that cannot be reached", c.Session)
	}
	eventually(t, "the stale cluster is stale", func() bool { return r.sectionError("edge-lisbon", "pods").Reason == "Disconnected" }, r.state)
	what := map[string]bool{}
	for _, c := range r.clusters() {
		if c.Summary != nil {
			for _, p := range c.Summary.Problems {
				what[p.What] = true
			}
		}
	}
	for _, want := range []string{"CrashLoopBackOff", "ImagePullBackOff", "Unschedulable", "Conflict", "NotReady", "MemoryPressure"} {
		if !what[want] {
			t.Errorf("no cluster has the problem %s; got %v", want, what)
		}
	}
}
