package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rollcall.dev/rollcall/master/prom"
)

// prometheusAPI returns an API over the fake with Prometheus' routes.
func (f *fake) prometheusAPI(change func(*Config)) *API {
	return f.api(func(c *Config) {
		c.Prometheus = prom.New(prom.Config{
			Sessions: &f.Sessions, Registry: &f.Sessions,
			Metrics: prometheus.NewPedanticRegistry(), Log: slog.New(slog.DiscardHandler),
		})
		if change != nil {
			change(c)
		}
	})
}

// post returns the response to a form.
func post(api http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(api, r)
}

const promQuery = prometheusPrefix + "/query"

func TestPrometheusSupportsGetAndPost(t *testing.T) {
	f := shop(t)
	api := f.prometheusAPI(nil)
	query := url.Values{"query": {`kube_node_info{cluster="prod-eu"}`}}
	for how, w := range map[string]*httptest.ResponseRecorder{"GET": get(api, promQuery+"?"+query.Encode()), "POST": post(api, promQuery, query)} {
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"node":"n1"`) {
			t.Errorf("%s: got %d %v %s, want 200 and the series of n1", how, w.Code, w.Header(), w.Body)
		}
	}
	if !slices.Equal(f.Demanded, []string{"prod-eu", "prod-eu"}) {
		t.Errorf("got demand for %q, want prod-eu twice", f.Demanded)
	}
	for _, path := range []string{"/query_range", "/labels", "/label/node/values", "/series", "/metadata", "/query_exemplars", "/rules", "/status/buildinfo"} {
		form := url.Values{"query": {"1"}, "start": {"0"}, "end": {"1"}, "step": {"1"}, "match[]": {"up"}}
		for _, w := range []*httptest.ResponseRecorder{get(api, prometheusPrefix+path+"?"+form.Encode()), post(api, prometheusPrefix+path, form)} {
			if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"status":"success"`) {
				t.Errorf("%s: got %d %s, want 200 and success", path, w.Code, w.Body)
			}
		}
	}
	if w := do(api, httptest.NewRequest(http.MethodDelete, promQuery, nil)); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, POST" {
		t.Errorf("DELETE: got %d %v, want 405 with Allow", w.Code, w.Header())
	}
}

func TestPrometheusErrors(t *testing.T) {
	bare := func(change func(*Config)) http.Handler { return shop(t).prometheusAPI(change) }
	refuse := func(err error) http.Handler {
		return bare(func(c *Config) { c.Authenticate = func(*http.Request) (Authorizer, error) { return nil, err } })
	}
	unavailableHub := bare(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) {
			return func(context.Context, Access) error { return fmt.Errorf("the hub: %w", ErrAuthorizerUnavailable) }, nil
		}
	})
	waiting := bare(func(c *Config) {
		c.Ready = []Check{{"registry", func() error { return fmt.Errorf("not read yet") }}}
	})
	long := url.Values{"query": {strings.Repeat("1+", maxForm) + "1"}}
	for _, tc := range []struct {
		what   string
		answer *httptest.ResponseRecorder
		status int
		kind   string
	}{
		{"broken PromQL", get(bare(nil), promQuery+"?query=sum("), 400, "bad_data"},
		{"too long a form", post(bare(nil), promQuery, long), 400, "bad_data"},
		{"a broken query string", get(bare(nil), promQuery+"?query=%zz"), 400, "bad_data"},
		{"nobody known", get(refuse(ErrUnauthenticated), promQuery+"?query=1"), 401, "unauthorized"},
		{"hub unavailable", get(unavailableHub, promQuery+"?query=up"), 503, "unavailable"},
		{"hub unavailable, cluster by name", get(unavailableHub, promQuery+"?query="+url.QueryEscape(`up{cluster="prod-eu"}`)), 503, "unavailable"},
		{"not ready", get(waiting, promQuery+"?query=1"), 503, "unavailable"},
		{"an unknown cluster", get(bare(nil), "/federate?cluster=nowhere"), 404, "not_found"},
	} {
		var body struct{ Status, ErrorType, Error string }
		if err := json.Unmarshal(tc.answer.Body.Bytes(), &body); err != nil || tc.answer.Code != tc.status || body.Status != "error" || body.ErrorType != tc.kind || body.Error == "" {
			t.Errorf("%s: got %d %s (%v), want %d %s", tc.what, tc.answer.Code, tc.answer.Body, err, tc.status, tc.kind)
		}
	}
	if w := get(refuse(ErrUnauthenticated), promQuery); w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Error("got a 401 without WWW-Authenticate")
	}
}

// rights allows the details of some clusters and the summaries of others, and records the reviews.
type rights struct {
	details, summary []string
	mu               sync.Mutex
	reviewed         []Access
}

func (r *rights) authorize(_ context.Context, want Access) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reviewed = append(r.reviewed, want)
	may := r.summary
	if want.Details {
		may = r.details
	}
	switch {
	case want.Verb == "get" && (slices.Contains(may, want.Cluster) || slices.Contains(may, "*")):
		return nil
	case want.Cluster == "":
		return ErrForbidden
	}
	return ErrHidden
}

func TestPrometheusShowsOnlyAuthorizedClusters(t *testing.T) {
	for _, tc := range []struct {
		rights             *rights
		nodes, ups, demand string
	}{
		{&rights{details: []string{"*"}}, "prod-eu v1.24.lab", "prod-eu v1.24.lab", "prod-eu v1.24.lab"},
		{&rights{details: []string{"prod-eu"}}, "prod-eu", "prod-eu", "prod-eu"},
		{&rights{details: []string{"prod-eu"}, summary: []string{"*"}}, "prod-eu", "prod-eu v1.24.lab", "prod-eu"},
		{&rights{summary: []string{"prod-eu"}}, "", "prod-eu", ""},
	} {
		f := shop(t)
		api := f.prometheusAPI(func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) { return tc.rights.authorize, nil }
		})
		clusters := func(query string) string {
			w := get(api, promQuery+"?query="+url.QueryEscape(query))
			var body struct {
				Data struct {
					Result []struct{ Metric struct{ Cluster string } }
				}
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			var names []string
			for _, one := range body.Data.Result {
				names = append(names, one.Metric.Cluster)
			}
			slices.Sort(names)
			return strings.Join(names, " ")
		}
		if got := clusters(`kube_node_info{cluster=~".+"}`); got != tc.nodes {
			t.Errorf("%+v: got nodes of %q, want %q", tc.rights.details, got, tc.nodes)
		}
		if got := clusters(`up`); got != tc.ups {
			t.Errorf("%+v: got up of %q, want %q", tc.rights.details, got, tc.ups)
		}
		if got := strings.Join(f.Demanded, " "); got != tc.demand {
			t.Errorf("%+v: got demand for %q, want %q", tc.rights.details, got, tc.demand)
		}
	}
}

func TestOneReviewIsEnoughIfEverythingIsAllowed(t *testing.T) {
	all := rights{details: []string{"*"}}
	api := shop(t).prometheusAPI(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) { return all.authorize, nil }
	})
	get(api, promQuery+"?query="+url.QueryEscape(`count({__name__=~"kube.+"})`))
	if len(all.reviewed) != 1 {
		t.Errorf("got %d reviews, want 1: %+v", len(all.reviewed), all.reviewed)
	}
}

func TestFederationIsText(t *testing.T) {
	w := get(shop(t).prometheusAPI(nil), "/federate?cluster=prod-eu&"+url.Values{"match[]": {"kube_node_info"}}.Encode())
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || !strings.Contains(w.Body.String(), `kube_node_info{cluster="prod-eu",job="kube-state-metrics",kubeproxy_version="deprecated",node="n1"} 1 `) {
		t.Errorf("got %d %v %s, want 200 and the series as text", w.Code, w.Header(), w.Body)
	}
}

// TestPromtoolAsDocumented runs the command in docs/PROMETHEUS.md, at another port.
func TestPromtoolAsDocumented(t *testing.T) {
	server := httptest.NewTLSServer(shop(t).prometheusAPI(nil))
	defer server.Close()
	document, err := os.ReadFile("../../docs/PROMETHEUS.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^.*promtool query instant .*$`).FindString(string(document))
	cmd := exec.CommandContext(t.Context(), "sh", "-exc", strings.ReplaceAll(command, "127.0.0.1:8443", server.Listener.Addr().String()))
	cmd.Dir = filepath.Dir(caFile(t, server))
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), `cluster="prod-eu"`) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestPrometheusIsDisabledByDefault(t *testing.T) {
	if w := get(shop(t).api(nil), promQuery+"?query=1"); w.Code != 404 {
		t.Errorf("got %d %s, want 404", w.Code, w.Body)
	}
}

// TestPromtool runs queries with Prometheus' own client, the Debian package.
func TestPromtool(t *testing.T) {
	server := httptest.NewServer(shop(t).prometheusAPI(nil))
	defer server.Close()
	at := server.URL + "/prometheus"
	now := time.Now()
	for want, args := range map[string][]string{
		`cluster="prod-eu", job="kube-state-metrics"`: {"query", "instant", at, `kube_node_info{cluster="prod-eu"}`},
		"scalar: 2":            {"query", "instant", at, "1+1"},
		"1 @[":                 {"query", "range", "--start=" + fmt.Sprint(now.Add(-time.Minute).Unix()), "--end=" + fmt.Sprint(now.Add(time.Minute).Unix()), "--step=10s", at, `up{cluster="prod-eu"}`},
		`node="n1"`:            {"query", "series", "--match=kube_node_info", "--start=" + fmt.Sprint(now.Add(-time.Hour).Unix()), at},
		"prod-eu\nv1.24.lab\n": {"query", "labels", at, "cluster"},
	} {
		out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("promtool %q: %v\n%s\nwant %s; hack/test.sh installs promtool", args, err, out, want)
		}
	}
	out, err := exec.CommandContext(t.Context(), "promtool", "query", "instant", at, "sum(").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "bad_data") {
		t.Errorf("invalid PromQL: got error %v and output\n%s\nwant bad_data", err, out)
	}
}

func TestPrometheusIsForbiddenIfNoClusterIsVisible(t *testing.T) {
	none := &rights{}
	api := shop(t).prometheusAPI(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) { return none.authorize, nil }
	})
	form := url.Values{"query": {"("}, "start": {"0"}, "end": {"1"}, "step": {"1"}, "match[]": {"("}}
	for _, path := range []string{"/prometheus/api/v1/query", "/prometheus/api/v1/query_range", "/prometheus/api/v1/query_exemplars", "/prometheus/api/v1/series", "/prometheus/api/v1/labels", "/prometheus/api/v1/label/node/values", "/federate"} {
		w := get(api, path+"?"+form.Encode())
		if w.Code != 403 || w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"errorType":"forbidden"`) {
			t.Errorf("%s: got %d %s, want 403 forbidden as JSON", path, w.Code, w.Body)
		}
	}
}

// TestHiddenAndUnknownClustersCauseTheSameReviews counts the reviews that reach the hub behind the
// authorizer's cache, after different earlier queries.
func TestHiddenAndUnknownClustersCauseTheSameReviews(t *testing.T) {
	countReviews := func(before, cluster, path string) int {
		mine := &rights{details: []string{"prod-eu"}}
		reviewed := map[Access]bool{}
		api := shop(t).prometheusAPI(func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) {
				return func(ctx context.Context, want Access) error {
					err := mine.authorize(ctx, want)
					mine.mu.Lock()
					defer mine.mu.Unlock()
					reviewed[want] = true
					return err
				}, nil
			}
		})
		if before != "" {
			get(api, before)
		}
		n := len(reviewed)
		get(api, strings.ReplaceAll(path, "CLUSTER", url.QueryEscape(cluster)))
		return len(reviewed) - n
	}
	for _, before := range []string{"", promQuery + "?query=up", "/api/v1/clusters"} {
		for _, path := range []string{
			"/federate?cluster=CLUSTER", "/federate?match[]=up{cluster=%22CLUSTER%22}", promQuery + "?query=up{cluster=%22CLUSTER%22}", promQuery + "?query=up{cluster=~%22CLUSTER.*%22}",
			promQuery + "?query=up{cluster=~%22prod-eu|CLUSTER%22}", prometheusPrefix + "/series?match[]=up{cluster=%22CLUSTER%22}", "/api/v1/clusters/CLUSTER/summary",
		} {
			hidden, unknown := countReviews(before, "v1.24.lab", path), countReviews(before, "v1.24.bar", path)
			if hidden != unknown {
				t.Errorf("after %q, %s: got %d reviews for a hidden cluster, %d for an unknown one; want them equal", before, path, hidden, unknown)
			}
		}
	}
}

func TestLongPrometheusResponsesAreStreamed(t *testing.T) {
	server := httptest.NewServer(shop(t).prometheusAPI(nil))
	defer server.Close()
	var parts []string
	for i := range 10 {
		parts = append(parts, fmt.Sprintf(`label_replace(vector(time()),"a","%d","","")`, i))
	}
	form := url.Values{"query": {strings.Join(parts, " or ")}, "start": {"0"}, "end": {"9000"}, "step": {"1"}}
	for _, encoding := range []string{"identity", "gzip", "zstd"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+prometheusPrefix+"/query_range?"+form.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", encoding)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || answer.ContentLength != -1 || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: got error %v, %d %v, want 200 and streamed JSON", encoding, err, answer.StatusCode, answer.Header)
		}
		plain := unpack(t, body, answer.Header.Get("Content-Encoding"))
		var data struct {
			Data struct {
				Result []struct{ Values [][2]any }
			}
		}
		if err := json.Unmarshal(plain, &data); err != nil || len(data.Data.Result) != 10 || len(data.Data.Result[9].Values) != 9001 {
			t.Errorf("%s: got error %v, %d bytes and %d series, want 10 series of 9001 points", encoding, err, len(plain), len(data.Data.Result))
		}
	}
}
