package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/master/session"
	"rollcall.dev/rollcall/master/session/dial"
)

// onlyEU authenticates a caller that may see only prod-eu.
func onlyEU(*http.Request) (Authorizer, error) {
	return func(_ context.Context, want Access) error {
		switch want.Cluster {
		case "":
			return ErrForbidden
		case "prod-eu":
			return nil
		}
		return ErrHidden
	}, nil
}

// changeHiddenClusters causes changes in clusters other than prod-eu, at different times.
func changeHiddenClusters(t *testing.T, f *fake) {
	t.Helper()
	for i := range 3 {
		f.Change(func() { f.Registered = append(f.Registered, session.Registered{Name: fmt.Sprint("hidden", i)}) })
		f.report(t, "v1.24.lab", nil, node(fmt.Sprint("n", i), state.False))
		f.observe("v1.24.lab", session.Status{Session: session.Info{Phase: session.Backoff}, Message: fmt.Sprint("refused ", i)})
		<-time.After(1100 * time.Millisecond)
	}
	f.Change(func() { f.Registered = f.Registered[:len(f.Registered)-1] })
	<-time.After(1100 * time.Millisecond)
}

// TestHiddenClustersDoNotAffectTheList compares ETags, bodies and pages.
func TestHiddenClustersDoNotAffectTheList(t *testing.T) {
	for _, query := range []string{"", "?limit=1", "?q=prod"} {
		bubble(t, func(t *testing.T, f *fake) {
			f.Registered = append(f.Registered[:1:1], session.Registered{Name: "a-hidden-one"}, f.Registered[1])
			api := f.api(func(c *Config) { c.Authenticate = onlyEU })
			// A caller who sees all clusters makes the API record every change.
			watching(t, api, listPath, nil)
			path := "/api/v1/clusters" + query
			before := get(api, path)
			changeHiddenClusters(t, f)
			after := get(api, path)
			if before.Code != http.StatusOK || before.Body.String() != after.Body.String() || fmt.Sprint(before.Header()) != fmt.Sprint(after.Header()) {
				t.Errorf("%s: got different responses, want the same:\n%v %s%v %s", path, before.Header(), before.Body, after.Header(), after.Body)
			}
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("If-None-Match", before.Header().Get("Etag"))
			if w := do(api, r); w.Code != http.StatusNotModified {
				t.Errorf("%s: got %d for its ETag, want 304", path, w.Code)
			}
			f.report(t, "prod-eu", nil, node("n2", state.True))
			<-time.After(1100 * time.Millisecond)
			if changed := get(api, path); decodeList(t, changed.Body.String()).ResourceVersion == decodeList(t, before.Body.String()).ResourceVersion {
				t.Error("the version did not change with a visible cluster")
			}
		})
	}
}

// TestHiddenClustersDoNotAffectVersions checks that the bookmarks and versions of a watch do not
// depend on hidden clusters.
func TestHiddenClustersDoNotAffectVersions(t *testing.T) {
	versions := func(t *testing.T, hidden bool) (events []string) {
		bubble(t, func(t *testing.T, f *fake) {
			api := f.api(func(c *Config) { c.Authenticate = onlyEU })
			w := watching(t, api, listPath+"&allowWatchBookmarks=true", nil)
			for range 2 {
				if hidden {
					changeHiddenClusters(t, f)
				} else {
					<-time.After(4400 * time.Millisecond)
				}
				<-time.After(20 * time.Second)
				f.report(t, "prod-eu", nil, node("n2", state.True), node("n3", state.False))
				<-time.After(2 * time.Second)
			}
			seen := map[string]int{}
			for _, e := range decodeEvents(t, w.text()) {
				if _, ok := seen[e.ResourceVersion]; !ok {
					seen[e.ResourceVersion] = len(seen)
				}
				events = append(events, fmt.Sprint(e.brief(), " at version ", seen[e.ResourceVersion]))
				if n := len(e.ResourceVersion); n < 25 && e.ResourceVersion != "0" {
					t.Errorf("got version %s, want one that is not a counter", e.ResourceVersion)
				}
			}
		})
		return events
	}
	quiet, loud := strings.Join(versions(t, false), "\n"), strings.Join(versions(t, true), "\n")
	if quiet != loud || !strings.Contains(quiet, "MODIFIED Cluster prod-eu") || !strings.Contains(quiet, "\nBOOKMARK at") {
		t.Errorf("got different events, want the same; without changes in hidden clusters:\n%s\nwith changes:\n%s", quiet, loud)
	}
}

// TestResumeWithPartialVisibility also covers versions after which so much happened in hidden
// clusters that the log has evicted everything.
func TestResumeWithPartialVisibility(t *testing.T) {
	bubble(t, func(t *testing.T, f *fake) {
		api := f.api(func(c *Config) { c.Authenticate = onlyEU })
		watching(t, api, listPath, nil)
		watching(t, api, listPath+"&demand=*", nil)
		for range 100 {
			f.report(t, "prod-eu", nil)
			f.observe("v1.24.lab", session.Status{Session: session.Info{Phase: session.Backoff}, Message: time.Now().String()})
			<-time.After(5 * time.Second)
		}
		from := func() string {
			return decodeList(t, get(api, "/api/v1/clusters").Body.String()).ResourceVersion
		}
		listed := from()
		w := watching(t, api, listPath+"&resourceVersion="+listed, nil)
		if synctestText := w.text(); w.status != http.StatusOK || synctestText != "" {
			t.Errorf("resume from the list's version: got %d %s, want 200 and no events", w.status, synctestText)
		}
		f.report(t, "prod-eu", nil, node("n2", state.True))
		<-time.After(1100 * time.Millisecond)
		w.expect("MODIFIED Cluster prod-eu")
		again := watching(t, api, listPath+"&resourceVersion="+listed, nil)
		if again.text(); again.status != http.StatusGone {
			t.Errorf("resume a version that is older than five minutes: got %d, want 410", again.status)
		}
		if now := from(); now == listed {
			t.Error("the version did not change")
		}
		// A caller who does not see all clusters must not resume from a version that counts all
		// changes: by trying such versions they would learn how many there are.
		everything := decodeList(t, get(f.api(nil), "/api/v1/clusters").Body.String()).ResourceVersion
		id, _, _ := strings.Cut(listed, "-")
		_, count, _ := strings.Cut(everything, "-")
		for _, guess := range []string{everything, id + "-" + count, id + "-1", id + "-101", id + "-9999"} {
			if w := watching(t, api, listPath+"&resourceVersion="+guess, nil); w.status != http.StatusGone {
				t.Errorf("%s: got %d, want 410", guess, w.status)
			}
		}
	})
}

// calls returns the clusters other than prod-eu for which the API called the sessions.
func (f *fake) calls() []string {
	return slices.DeleteFunc(f.Touched(), func(cluster string) bool { return cluster == "prod-eu" })
}

// TestHiddenAndUnknownClusterGetTheSameResponse compares status, headers and body of all routes of
// a cluster, also for requests with other errors, and checks that neither registers demand.
func TestHiddenAndUnknownClusterGetTheSameResponse(t *testing.T) {
	socket := func(r *http.Request) {
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		r.Header.Set("Sec-WebSocket-Version", "13")
		r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	requests := map[string]func(*http.Request){
		"plain": func(*http.Request) {}, "HEAD": func(r *http.Request) { r.Method = http.MethodHead }, "POST": func(r *http.Request) { r.Method = http.MethodPost },
		"events": func(r *http.Request) { r.Header.Set("Accept", "text/event-stream") }, "websocket": socket,
		"an ETag":      func(r *http.Request) { r.Header.Set("If-None-Match", "*") },
		"a last event": func(r *http.Request) { r.Header.Set("Last-Event-ID", "17.9f2c-1") },
	}
	var paths []string
	for _, part := range []string{"", "/summary", "/nodes", "/pods", "/containers", "/ports", "/nothing", "/"} {
		for _, query := range []string{"", "?watch=true", "?timeout=1s&wait=usage", "?colour=red", "?watch=true&resourceVersion=17.9f2c-1", "?limit=0", "?continue=x"} {
			paths = append(paths, "/api/v1/clusters/CLUSTER"+part+query)
		}
	}
	for _, query := range []string{"&demand=CLUSTER", "&detail=CLUSTER", "&detail=CLUSTER@17.9f2c-1", "&demand=*,CLUSTER", "&demand=prod-eu,CLUSTER&detail=prod-eu"} {
		paths = append(paths, listPath+query)
	}
	for _, path := range []string{"/model/nodes/", "/model/metrics/", "/metric-export", "/metric-export-schema", "/nothing", "/model/nodes/?start=x"} {
		paths = append(paths, "/heapster/CLUSTER/api/v1"+path)
	}
	states := map[string]func(*Config){
		"":                       func(*Config) {},
		"the hub is unavailable": func(c *Config) { c.Authenticate = authenticateWithError(ErrAuthorizerUnavailable) },
		"too much is asked":      func(c *Config) { c.Authenticate = authenticateWithError(ErrTooManyRequests) },
		"unknown caller": func(c *Config) {
			c.Authenticate = func(*http.Request) (Authorizer, error) { return nil, ErrUnauthenticated }
		},
		"the master is not ready": func(c *Config) {
			c.Ready = []Check{{"registry", func() error { return fmt.Errorf("not read") }}}
		},
	}
	const unread = "the registry cannot be read"
	states[unread] = func(*Config) {}
	for wrong, change := range states {
		for kind, edit := range requests {
			for _, path := range paths {
				answer := func(cluster, address string) string {
					f := shop(t)
					f.Registered[1].ClusterIPs = []string{"203.0.113.9"}
					f.Failures["v1.24.lab"] = &session.UnreachableError{Reason: dial.DialFailed, Err: fmt.Errorf("refused"), RetryAfter: time.Minute}
					if wrong == unread {
						f.RegistryCause = errUnread
					}
					api := f.api(func(c *Config) {
						c.Authenticate = onlyEU
						change(c)
					})
					text := ""
					for _, name := range []string{cluster, address} {
						r := httptest.NewRequest(http.MethodGet, strings.ReplaceAll(path, "CLUSTER", name), nil)
						edit(r)
						w := do(api, r)
						text += strings.ReplaceAll(fmt.Sprintln(w.Code, w.Header(), w.Body), name, "NAME")
					}
					return fmt.Sprint(text, f.calls())
				}
				hidden, unknown := answer("v1.24.lab", "203.0.113.9"), answer("v1.24.bar", "203.0.113.8")
				if hidden != unknown || !strings.HasSuffix(hidden, "[]") {
					t.Errorf("%s %s %s: got different responses, want the same; hidden cluster:\n%s\nunknown cluster:\n%s", wrong, kind, path, hidden, unknown)
				}
			}
		}
	}
}

// authenticateWithError returns an Authenticate function whose authorizer always returns err.
func authenticateWithError(err error) Authenticate {
	return func(*http.Request) (Authorizer, error) {
		return func(context.Context, Access) error { return err }, nil
	}
}

// TestTooManyRequestsReturns429 covers the REST and Prometheus routes.
func TestTooManyRequestsReturns429(t *testing.T) {
	api := shop(t).prometheusAPI(func(c *Config) {
		c.Authenticate = func(*http.Request) (Authorizer, error) { return nil, fmt.Errorf("%w: retry later", ErrTooManyRequests) }
	})
	for _, path := range []string{"/api/v1/clusters", "/api/v1/clusters/prod-eu", "/api/v1/clusters?watch=true", "/metrics", "/federate", promQuery + "?query=up", "/heapster/prod-eu/api/v1/model/nodes/"} {
		w := get(api, path)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "retry later") {
			t.Errorf("%s: got %d %v %s, want 429 with Retry-After: 1", path, w.Code, w.Header(), w.Body)
		}
	}
}

// TestMetricsRequireTheirOwnPermission checks that permission to see clusters does not include
// metrics, and that metrics do not contain cluster names.
func TestMetricsRequireTheirOwnPermission(t *testing.T) {
	f := shop(t)
	for _, tc := range []struct {
		rules  rules
		status int
	}{{rules{{Verb: "list"}: nil, {Verb: "get", Cluster: "prod-eu", Details: true}: nil}, 403}, {rules{{Verb: "get", Path: "/metrics"}: nil, {Verb: "get", Cluster: "prod-eu", Details: true}: nil}, 200}} {
		api := f.prometheusAPI(func(c *Config) { c.Authenticate = tc.rules.authenticate })
		get(api, "/api/v1/clusters/prod-eu")
		get(api, promQuery+"?query=up{cluster=%22prod-eu%22}")
		w := get(api, "/metrics")
		if w.Code != tc.status || strings.Contains(w.Body.String(), "prod-eu") {
			t.Errorf("got %d %s, want %d and no cluster name", w.Code, w.Body, tc.status)
		}
	}
}
